//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::endpoints::restore_task::ENDPOINT)
}
