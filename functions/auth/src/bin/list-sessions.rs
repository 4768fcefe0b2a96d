//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&auth::endpoints::list_sessions::ENDPOINT)
}
