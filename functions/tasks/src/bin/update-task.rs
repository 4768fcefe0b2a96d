//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::endpoints::update_task::ENDPOINT)
}
