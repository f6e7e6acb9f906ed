//! Models and guardrail.

use atelier_cloud::client::Aws;
use atelier_doctor::Finding;
use atelier_worker::Config;
use atelier_worker::generate::Models;

/// Sends each model a request without a prompt, which it refuses at no cost, and applies the
/// guardrail, if there is one, to one word.
pub(super) async fn examine(aws: &Aws, config: &Config) -> Vec<Finding> {
    let models = Models::new(aws, &config.worker);
    let guardrail = models.check_guardrail().await.map(guardrail);
    let tried = models.check().await;
    let some_work = tried.iter().any(|(_, tried)| tried.is_ok());
    let finding = |(id, tried): (String, Result<(), String>)| {
        let what = format!("model {id}");
        match tried {
            Ok(()) => Finding::good(what, "it lets us call it"),
            Err(why) if some_work => Finding::warning(what, format!("{why}. Others are called")),
            Err(why) => Finding::missing(what, why),
        }
    };
    tried.into_iter().map(finding).chain(guardrail).collect()
}

/// Without it no model is called.
fn guardrail((id, tried): (String, Result<(), String>)) -> Finding {
    let what = format!("guardrail {id}");
    match tried {
        Ok(()) => Finding::good(what, "it lets us apply it"),
        Err(why) => Finding::missing(
            what,
            format!(
                "{why}. Check GUARDRAIL_ID, GUARDRAIL_VERSION, BEDROCK_REGION and the permission bedrock:ApplyGuardrail"
            ),
        ),
    }
}
