//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&system::get_jwks::ENDPOINT)
}
