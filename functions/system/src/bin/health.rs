//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&system::endpoints::health::ENDPOINT)
}
