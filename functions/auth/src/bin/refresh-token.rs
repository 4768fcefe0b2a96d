//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&auth::refresh_token::ENDPOINT)
}
