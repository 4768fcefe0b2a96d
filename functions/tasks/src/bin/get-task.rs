//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::get_task::ENDPOINT)
}
