//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&auth::endpoints::change_password::ENDPOINT)
}
