//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&system::endpoints::not_found::ENDPOINT)
}
