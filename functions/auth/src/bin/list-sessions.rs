//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&auth::list_sessions::ENDPOINT)
}
