//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::list_tasks::ENDPOINT)
}
