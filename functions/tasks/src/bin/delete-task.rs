//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::delete_task::ENDPOINT)
}
