//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&system::endpoints::get_openapi::ENDPOINT)
}
