//! The models that may be called, and what each costs. Workers call them; an API needs the prices for
//! the budgets.

use atelier_domain::budget::MicroUsd;
use atelier_domain::model::ModelSpec;

use super::environment::{Environment, Setting};

/// The models of a fleet.
#[derive(Clone, Debug)]
pub struct ModelsConfig {
    /// In order, at least one.
    pub models: Vec<ModelSpec>,
}

const BEDROCK_MODELS: Setting = Setting {
    name: "BEDROCK_MODELS",
    default: Some(
        "stability.stable-image-core-v1:1,stability.sd3-5-large-v1:0,stability.stable-image-ultra-v1:1",
    ),
    help: "Text-to-image models in order, separated by commas: ids of models or inference profiles, or ARNs of either; the first that takes the prompt and has room is called. Known are amazon.nova-canvas-*, amazon.titan-image-* and stability.*, but for those that edit a picture.",
};
const BEDROCK_PRICES: Setting = Setting {
    name: "BEDROCK_PRICES",
    default: None,
    help: "Prices in US dollars a picture, above 0 to 100, in place of the list prices: `model=0.04,model2=0.08`. A model without a known price needs one.",
};
impl ModelsConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[BEDROCK_MODELS, BEDROCK_PRICES];

    /// Reads its options; a fault is noted in `environment`.
    pub fn read(environment: &mut Environment) -> Self {
        Self {
            models: models(environment),
        }
    }

    /// What the cheapest of them costs a picture.
    pub fn cheapest(&self) -> MicroUsd {
        let prices = self.models.iter().map(ModelSpec::price);
        prices.min().unwrap_or_default()
    }
}

/// The models and their prices; each fault is noted by the option that has to change.
fn models(environment: &mut Environment) -> Vec<ModelSpec> {
    let prices = prices(environment);
    let text = environment.required(&BEDROCK_MODELS);
    let ids: Vec<&str> = items(&text).collect();
    if ids.is_empty() {
        environment.fault(&BEDROCK_MODELS, "names no model");
    }
    let mut models = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        if ids[..place].contains(id) {
            environment.fault(&BEDROCK_MODELS, &format!("names `{id}` twice"));
        }
        let mut of_this = prices
            .iter()
            .filter(|(name, _)| ModelSpec::is_named(id, name));
        let price = of_this.next().map(|(_, price)| *price);
        match ModelSpec::new(id, price) {
            Ok(model) => models.push(model),
            Err(fault) => environment.fault(&BEDROCK_MODELS, &fault),
        }
    }
    models
}

/// Model names and their prices in US dollars.
fn prices(environment: &mut Environment) -> Vec<(String, f64)> {
    let text = environment.text(&BEDROCK_PRICES).unwrap_or_default();
    let mut prices: Vec<(String, f64)> = Vec::new();
    for item in items(&text) {
        let price = item.rsplit_once('=').and_then(|(name, price)| {
            let price: f64 = price.trim().parse().ok()?;
            (price > 0.0 && price <= 100.0).then(|| (name.trim().to_owned(), price))
        });
        match price {
            Some((name, _)) if prices.iter().any(|(other, _)| *other == name) => {
                environment.fault(&BEDROCK_PRICES, &format!("names `{name}` twice"));
            }
            Some(price) => prices.push(price),
            None => environment.fault(
                &BEDROCK_PRICES,
                &format!("must be `model=dollars`, above 0 to 100 each, not `{item}`"),
            ),
        }
    }
    prices
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<ModelsConfig, Vec<String>> {
        let mut environment = Environment::of(options.iter().copied());
        let config = ModelsConfig::read(&mut environment);
        environment.finish(config).map_err(|faults| faults.0)
    }

    #[test]
    fn the_cheapest_model_of_the_list_is_known() {
        let of = |options: &[(&str, &str)]| read(options).unwrap().cheapest();
        assert_eq!(of(&[]), MicroUsd::from_usd(0.04));
        let prices = ("BEDROCK_PRICES", "stability.sd3-5-large-v1:0=0.03");
        assert_eq!(of(&[prices]), MicroUsd::from_usd(0.03));
    }

    #[test]
    fn every_model_that_cannot_be_called_is_a_fault_that_says_why() {
        let faults = read(&[(
            "BEDROCK_MODELS",
            "some.model, us.stability.stable-image-inpaint-v1:0,stability.new-v1:0,stability.sd3-5-large-v1:0",
        )])
        .unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:#?}");
        for (fault, word) in faults
            .iter()
            .zip(["is none of", "edits a picture", "BEDROCK_PRICES"])
        {
            assert!(fault.starts_with("BEDROCK_MODELS names `"), "{fault}");
            assert!(fault.contains(word), "{fault}");
        }
        assert_eq!(
            read(&[("BEDROCK_MODELS", ",")]).unwrap_err(),
            ["BEDROCK_MODELS names no model"]
        );
        let twice = "stability.sd3-5-large-v1:0,stability.sd3-5-large-v1:0";
        assert_eq!(read(&[("BEDROCK_MODELS", twice)]).unwrap_err().len(), 1);
    }

    #[test]
    fn a_price_makes_a_model_known_and_replaces_a_list_price() {
        let config = read(&[
            ("BEDROCK_MODELS", "stability.new-v1:0,us.stability.stable-image-core-v1:1"),
            (
                "BEDROCK_PRICES",
                "stability.new-v1:0=0.2, stability.stable-image-core-v1:1=0.03,stability.unlisted=1",
            ),
        ])
        .unwrap();
        let expected = [
            ModelSpec::new("stability.new-v1:0", Some(0.2)).unwrap(),
            ModelSpec::new("us.stability.stable-image-core-v1:1", Some(0.03)).unwrap(),
        ];
        assert_eq!(config.models, expected);
    }

    #[test]
    fn a_price_that_no_budget_could_hold_is_a_fault() {
        for bad in [
            "model",
            "model=",
            "model=free",
            "model=0",
            "model=-1",
            "model=NaN",
            "model=inf",
            "model=101",
            "a=1,a=2",
        ] {
            let faults = read(&[("BEDROCK_PRICES", bad)]).unwrap_err();
            assert!(
                faults.len() == 1 && faults[0].starts_with("BEDROCK_PRICES"),
                "{bad}: {faults:?}"
            );
        }
    }
}
