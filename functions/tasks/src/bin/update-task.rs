//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::update_task::ENDPOINT)
}
