//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&auth::revoke_session::ENDPOINT)
}
