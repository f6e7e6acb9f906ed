//! What is known about a model before it is called: request family, price, prompt limit.

use crate::budget::MicroUsd;

/// A request format that several models share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Nova Canvas and Titan.
    Amazon,
    /// Stable Image and Stable Diffusion 3.
    Stability,
}

/// A text-to-image model of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    id: String,
    /// The format of its requests.
    pub family: Family,
    /// Price of one 1024x1024 picture at standard quality, in US dollars, above 0.
    pub price_usd: f64,
    /// Longest prompt in characters (Unicode code points, as JSON Schema counts them).
    pub max_prompt_chars: usize,
}

/// Models by the start of their id: the first that fits is meant. Prices are those of
/// <https://aws.amazon.com/bedrock/pricing/> in us-west-2; `None` where only `BEDROCK_PRICES` can
/// say. Prompt limits are those of the models' request parameters.
const MODELS: [(&str, Family, Option<f64>, usize); 9] = [
    (
        "stability.stable-image-core-",
        Family::Stability,
        Some(0.04),
        10_000,
    ),
    (
        "stability.stable-image-ultra-",
        Family::Stability,
        Some(0.14),
        10_000,
    ),
    (
        "stability.sd3-5-large-v",
        Family::Stability,
        Some(0.08),
        10_000,
    ),
    (
        "stability.sd3-large-v",
        Family::Stability,
        Some(0.08),
        10_000,
    ),
    ("stability.", Family::Stability, None, 10_000),
    ("amazon.nova-canvas-", Family::Amazon, Some(0.04), 1024),
    (
        "amazon.titan-image-generator-v1",
        Family::Amazon,
        Some(0.01),
        512,
    ),
    (
        "amazon.titan-image-generator-v2",
        Family::Amazon,
        Some(0.01),
        512,
    ),
    ("amazon.titan-image-", Family::Amazon, None, 512),
];

/// Parts of the ids of Stability's image services, which edit a picture that the request brings.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/stable-image-services.html>
const EDITING: [&str; 12] = [
    "inpaint",
    "outpaint",
    "erase",
    "search-",
    "recolor",
    "replace",
    "background",
    "control-",
    "style-",
    "upscale",
    "image-to-image",
    "relight",
];

/// The longest id, in bytes: the metadata of the picture has it too, which S3 limits to 2 KB. ARNs of
/// foundation models and inference profiles are shorter.
const MAX_ID_BYTES: usize = 256;

impl ModelSpec {
    /// The model with this id: that of the model itself, that of an inference profile
    /// (`us.stability.…`), or an ARN that ends in either. `price_usd` replaces the list price.
    ///
    /// # Errors
    /// Why the model cannot be in the list; the text continues the option's name.
    pub fn new(id: &str, price_usd: Option<f64>) -> Result<Self, String> {
        let name = own_name(id)?;
        let Some((_, family, list_price, max_prompt_chars)) =
            MODELS.iter().find(|(start, ..)| name.starts_with(start))
        else {
            return Err(format!(
                "names `{id}`, which is none of amazon.nova-canvas-*, amazon.titan-image-* and stability.*"
            ));
        };
        if *family == Family::Stability && EDITING.iter().any(|part| name.contains(part)) {
            return Err(format!(
                "names `{id}`, which edits a picture and makes none from a prompt alone; name a text-to-image model, such as stability.stable-image-core-v1:1"
            ));
        }
        if name.starts_with("stability.stable-diffusion-xl") {
            return Err(format!(
                "names `{id}`, which is retired and takes another request format"
            ));
        }
        let Some(price_usd) = price_usd.or(*list_price) else {
            return Err(format!(
                "names `{id}`, which has no known price; give one in BEDROCK_PRICES, such as `{name}=0.04`"
            ));
        };
        Ok(Self {
            id: id.to_owned(),
            family: *family,
            price_usd,
            max_prompt_chars: *max_prompt_chars,
        })
    }

    /// Its id, as `InvokeModel` takes it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its price as budgets count it, above 0.
    pub fn price(&self) -> MicroUsd {
        MicroUsd::from_usd(self.price_usd).max(MicroUsd::new(1))
    }

    /// Whether `name` is its id, or that of the model behind its inference profile.
    pub fn is_named(id: &str, name: &str) -> bool {
        id == name || own_name(id).is_ok_and(|own| own == name)
    }

    /// Whether it takes a prompt of this length.
    pub fn takes(&self, prompt: &str) -> bool {
        prompt.chars().count() <= self.max_prompt_chars
    }
}

/// The model's own id, without ARN and geography.
fn own_name(id: &str) -> Result<&str, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_/".contains(&byte);
    if id.len() > MAX_ID_BYTES || !id.bytes().all(known) {
        return Err(format!("names `{id}`, which is no model's id"));
    }
    let name = if id.starts_with("arn:") {
        resource_of(id)?
    } else {
        id
    };
    // An inference profile puts the geography first: `us.stability…`, `apac.amazon…`.
    let behind_geography = name
        .split_once('.')
        .filter(|(_, rest)| rest.starts_with("amazon.") || rest.starts_with("stability."));
    Ok(behind_geography.map_or(name, |(_, rest)| rest))
}

/// `arn:PARTITION:bedrock:REGION:ACCOUNT:KIND/NAME`: the name, where it is that of a model.
fn resource_of(arn: &str) -> Result<&str, String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let resource = match parts[..] {
        ["arn", _, "bedrock", _, _, resource] => resource.split_once('/'),
        _ => None,
    };
    match resource {
        Some(("inference-profile" | "foundation-model", name)) => Ok(name),
        Some(("application-inference-profile" | "provisioned-model", _)) => Err(format!(
            "names `{arn}`, which does not say what model is behind it; name the model's own id or its inference profile"
        )),
        _ => Err(format!(
            "names `{arn}`, which is no ARN of a model or an inference profile"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(id: &str) -> String {
        ModelSpec::new(id, None).unwrap_err()
    }

    #[test]
    fn a_model_is_known_also_behind_an_inference_profile_or_an_arn() {
        for id in [
            "stability.stable-image-core-v1:1",
            "us.stability.stable-image-core-v1:1",
            "eu.stability.stable-image-core-v1:1",
            "apac.stability.stable-image-core-v1:1",
            "global.stability.stable-image-core-v1:1",
            "us-gov.stability.stable-image-core-v1:1",
            "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.stability.stable-image-core-v1:1",
            "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/stability.stable-image-core-v1:1",
        ] {
            let model = ModelSpec::new(id, None).unwrap();
            assert_eq!(model.id(), id);
            assert_eq!((model.family, model.price_usd), (Family::Stability, 0.04));
            assert!(ModelSpec::is_named(id, "stability.stable-image-core-v1:1"));
        }
        let nova = ModelSpec::new("us.amazon.nova-canvas-v1:0", None).unwrap();
        assert_eq!((nova.family, nova.price_usd), (Family::Amazon, 0.04));
    }

    #[test]
    fn every_image_service_of_stability_that_edits_a_picture_is_refused() {
        for id in [
            "stability.stable-image-inpaint-v1:0",
            "us.stability.stable-image-erase-object-v1:0",
            "stability.stable-image-search-replace-v1:0",
            "stability.stable-image-search-recolor-v1:0",
            "stability.stable-image-remove-background-v1:0",
            "stability.stable-image-control-sketch-v1:0",
            "stability.stable-image-control-structure-v1:0",
            "stability.stable-image-style-guide-v1:0",
            "us.stability.stable-style-transfer-v1:0",
            "us.stability.stable-outpaint-v1:0",
            "stability.stable-conservative-upscale-v1:0",
            "us.stability.stable-creative-upscale-v1:0",
            "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.stability.stable-fast-upscale-v1:0",
        ] {
            assert!(fault(id).contains("edits a picture"), "{id}");
            assert!(
                ModelSpec::new(id, Some(0.04)).is_err(),
                "{id}: also with a price"
            );
        }
    }

    #[test]
    fn what_is_no_model_of_a_known_family_is_refused_with_words() {
        assert!(fault("anthropic.claude").contains("is none of"));
        assert!(fault("amazon.titan-text-v1").contains("is none of"));
        assert!(fault("stability.*").contains("no model's id"));
        assert!(fault("stability.stable-diffusion-xl-v1").contains("another request format"));
        assert!(
            fault("arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3")
                .contains("does not say what model")
        );
        assert!(fault("arn:aws:s3:::stability.sd3-5-large-v1:0").contains("is no ARN of a model"));
    }

    #[test]
    fn a_model_without_a_known_price_needs_one() {
        for id in [
            "stability.sd4-huge-v1:0",
            "stability.sd3-5-large-turbo-v1:0",
            "amazon.titan-image-generator-v9:0",
        ] {
            assert!(fault(id).contains("BEDROCK_PRICES"), "{id}");
            assert_eq!(ModelSpec::new(id, Some(0.2)).unwrap().price_usd, 0.2);
        }
        let cheaper = ModelSpec::new("stability.sd3-5-large-v1:0", Some(0.05)).unwrap();
        assert_eq!(cheaper.price_usd, 0.05);
    }

    #[test]
    fn a_prompt_is_measured_in_characters() {
        for (id, longest) in [
            ("amazon.titan-image-generator-v1", 512),
            ("amazon.titan-image-generator-v2:0", 512),
            ("amazon.nova-canvas-v1:0", 1024),
            ("stability.stable-image-core-v1:1", 10_000),
        ] {
            let model = ModelSpec::new(id, None).unwrap();
            assert!(model.takes(&"画".repeat(longest)), "{id}");
            assert!(!model.takes(&"画".repeat(longest + 1)), "{id}");
        }
    }
}
