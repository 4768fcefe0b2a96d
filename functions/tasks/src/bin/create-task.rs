//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::create_task::ENDPOINT)
}
