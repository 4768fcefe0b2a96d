//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&auth::update_me::ENDPOINT)
}
