//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::restore_task::ENDPOINT)
}
