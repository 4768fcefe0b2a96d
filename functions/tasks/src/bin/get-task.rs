//! The Lambda function.
fn main() -> std::process::ExitCode {
    common::lambda::main(&tasks::endpoints::get_task::ENDPOINT)
}
