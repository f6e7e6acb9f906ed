//! Where the services are: region, endpoints, bucket, CDN, queue.

use atelier_runtime::config::{Environment, Setting, http_url, is_http_url, is_loopback_url};

use crate::signed_url::UrlSigner;

/// Region, credentials and endpoints of the AWS services.
#[derive(Clone, Debug)]
pub struct CloudConfig {
    /// Region of bucket and queue.
    pub region: String,
    /// Region of the models.
    pub model_region: String,
    /// Another address for SQS.
    pub sqs_endpoint: Option<String>,
    /// Another address for S3; its keys then go into the path, not into the host name.
    pub s3_endpoint: Option<String>,
    /// Another address for Bedrock's runtime.
    pub model_endpoint: Option<String>,
    /// Another address for CloudFront.
    pub cdn_endpoint: Option<String>,
    /// Credentials handed over in the process; `None` leaves it to the SDK's chain (environment,
    /// profile, web identity, ECS, EC2).
    pub credentials: Option<StaticCredentials>,
}

/// An access key and its secret.
#[derive(Clone)]
pub struct StaticCredentials {
    /// The key's id.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
}

impl std::fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticCredentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

const AWS_REGION: Setting = Setting {
    name: "AWS_REGION",
    default: None,
    help: "Region of the bucket and the queue.",
};
const BEDROCK_REGION: Setting = Setting {
    name: "BEDROCK_REGION",
    default: None,
    help: "Region of the models. [default: AWS_REGION]",
};
const AWS_ENDPOINT_URL_SQS: Setting = Setting {
    name: "AWS_ENDPOINT_URL_SQS",
    default: None,
    help: "Another address for SQS.",
};
const AWS_ENDPOINT_URL_S3: Setting = Setting {
    name: "AWS_ENDPOINT_URL_S3",
    default: None,
    help: "Another address for S3.",
};
const AWS_ENDPOINT_URL_BEDROCK_RUNTIME: Setting = Setting {
    name: "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    default: None,
    help: "Another address for Bedrock's runtime.",
};
const AWS_ENDPOINT_URL_CLOUDFRONT: Setting = Setting {
    name: "AWS_ENDPOINT_URL_CLOUDFRONT",
    default: None,
    help: "Another address for CloudFront's API, which forgets deleted pictures.",
};

impl CloudConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[
        AWS_REGION,
        BEDROCK_REGION,
        AWS_ENDPOINT_URL_SQS,
        AWS_ENDPOINT_URL_S3,
        AWS_ENDPOINT_URL_BEDROCK_RUNTIME,
        AWS_ENDPOINT_URL_CLOUDFRONT,
    ];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let region = environment.required(&AWS_REGION);
        check_region(environment, &AWS_REGION, &region);
        let model_region = match environment.text(&BEDROCK_REGION) {
            Some(region) => {
                check_region(environment, &BEDROCK_REGION, &region);
                region
            }
            None => region.clone(),
        };
        Self {
            region,
            model_region,
            sqs_endpoint: http_url(environment, &AWS_ENDPOINT_URL_SQS),
            s3_endpoint: http_url(environment, &AWS_ENDPOINT_URL_S3),
            model_endpoint: http_url(environment, &AWS_ENDPOINT_URL_BEDROCK_RUNTIME),
            cdn_endpoint: http_url(environment, &AWS_ENDPOINT_URL_CLOUDFRONT),
            credentials: None,
        }
    }
}

fn check_region(environment: &mut Environment, setting: &Setting, region: &str) {
    let allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    if !region.chars().all(allowed) {
        let what = format!("must be a region such as eu-central-1, not `{region}`");
        environment.fault(setting, &what);
    }
}

/// The bucket of the pictures.
#[derive(Clone, Debug)]
pub struct BucketConfig {
    /// Its name.
    pub name: String,
}

const S3_BUCKET_NAME: Setting = Setting {
    name: "S3_BUCKET_NAME",
    default: None,
    help: "Bucket of the pictures.",
};

impl BucketConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[S3_BUCKET_NAME];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let name = environment.required(&S3_BUCKET_NAME);
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
        let ends = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
        let possible = (3..=63).contains(&name.len())
            && name.chars().all(|it| ends(it) || it == '-' || it == '.')
            && name.starts_with(ends)
            && name.ends_with(ends);
        if !name.is_empty() && !possible {
            environment.fault(
                &S3_BUCKET_NAME,
                &format!(
                    "must be 3 to 63 of a-z, 0-9, `-` and `.`, with a letter or a digit at both ends, not `{name}`"
                ),
            );
        }
        Self { name }
    }
}

/// The CDN before the bucket.
#[derive(Clone, Debug)]
pub struct CdnConfig {
    /// Scheme and host that readers use, without a slash at the end; `None` where there is no CDN.
    pub base_url: Option<String>,
    /// What CloudFront calls it; without it a deleted picture stays until its time in the CDN is
    /// over.
    pub distribution_id: Option<String>,
    /// Signs the addresses that readers get, where the pictures are private.
    pub signer: Option<UrlSigner>,
}

const CLOUDFRONT_DOMAIN: Setting = Setting {
    name: "CLOUDFRONT_DOMAIN",
    default: None,
    help: "Domain of the CDN; a bare domain means https, a scheme may be given. Without it the API hands out pictures itself.",
};
const CLOUDFRONT_DISTRIBUTION_ID: Setting = Setting {
    name: "CLOUDFRONT_DISTRIBUTION_ID",
    default: None,
    help: "Id of the CDN's distribution, to make it forget deleted pictures.",
};

const CLOUDFRONT_KEY_ID: Setting = Setting {
    name: "CLOUDFRONT_KEY_ID",
    default: None,
    help: "Id of the public key in the CDN's trusted key group. With it and CLOUDFRONT_PRIVATE_KEY pictures are private: readers get signed addresses, valid until the end of the next day.",
};
const CLOUDFRONT_PRIVATE_KEY: Setting = Setting {
    name: "CLOUDFRONT_PRIVATE_KEY",
    default: None,
    help: "Private key of CLOUDFRONT_KEY_ID: RSA, 2048 bits, as PEM; on one line with `\\n` for its line ends, or in base64.",
};

impl CdnConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[CLOUDFRONT_DOMAIN, CLOUDFRONT_DISTRIBUTION_ID];
    /// Its options for an API, which alone signs.
    pub const API_SETTINGS: &[Setting] = &[
        CLOUDFRONT_DOMAIN,
        CLOUDFRONT_DISTRIBUTION_ID,
        CLOUDFRONT_KEY_ID,
        CLOUDFRONT_PRIVATE_KEY,
    ];

    /// Reads the options of an API.
    pub fn read_api(environment: &mut Environment) -> Self {
        let config = Self::read(environment);
        let signer = signer(environment, config.base_url.is_some());
        Self { signer, ..config }
    }

    /// Reads its options, without those that sign.
    pub fn read(environment: &mut Environment) -> Self {
        let base_url = environment.text(&CLOUDFRONT_DOMAIN).map(|domain| {
            let is_bare = !domain.contains("://");
            let url = if is_bare {
                format!("https://{domain}")
            } else {
                domain.clone()
            };
            if !is_http_url(&url) || (is_bare && domain.trim_end_matches('/').contains('/')) {
                environment.fault(
                    &CLOUDFRONT_DOMAIN,
                    &format!("must be a domain or an http(s) address, not `{domain}`"),
                );
            }
            url.trim_end_matches('/').to_owned()
        });
        Self {
            base_url,
            distribution_id: environment.text(&CLOUDFRONT_DISTRIBUTION_ID),
            signer: None,
        }
    }

    /// For readers on other machines. They do not reach a CDN on loopback, as the embedded one is: then
    /// there is none for them, and the API hands out pictures itself.
    #[must_use]
    pub fn for_other_machines(self) -> Self {
        match &self.base_url {
            Some(url) if is_loopback_url(url) => Self {
                base_url: None,
                signer: None,
                ..self
            },
            _ => self,
        }
    }

    /// Where readers get the picture under `key`, if there is a CDN; signed where this process signs.
    pub fn url(&self, key: &str) -> Option<String> {
        self.picture_url(key, false)
    }

    /// As [`Self::url`]. With `has_avif` an AVIF lies beside it, which the CDN shows to those that
    /// accept it: the address says so, since the CDN cannot look.
    pub fn picture_url(&self, key: &str, has_avif: bool) -> Option<String> {
        let base = self.base_url.as_ref()?;
        let query = if has_avif { "?avif=1" } else { "" };
        let url = format!("{base}/{key}{query}");
        Some(match &self.signer {
            Some(signer) => signer.sign(&url),
            None => url,
        })
    }
}

fn signer(environment: &mut Environment, has_cdn: bool) -> Option<UrlSigner> {
    let key_id = environment.text(&CLOUDFRONT_KEY_ID);
    let key = environment.text(&CLOUDFRONT_PRIVATE_KEY);
    let (key_id, key) = match (key_id, key) {
        (Some(key_id), Some(key)) => (key_id, key),
        (None, None) => return None,
        (Some(_), None) => {
            environment.fault(
                &CLOUDFRONT_PRIVATE_KEY,
                "is not set, but CLOUDFRONT_KEY_ID is",
            );
            return None;
        }
        (None, Some(_)) => {
            environment.fault(
                &CLOUDFRONT_KEY_ID,
                "is not set, but CLOUDFRONT_PRIVATE_KEY is",
            );
            return None;
        }
    };
    if !has_cdn {
        environment.fault(&CLOUDFRONT_KEY_ID, "needs CLOUDFRONT_DOMAIN");
    }
    // CloudFront makes the ids: 1 to 64 letters and digits.
    let possible = key_id.len() <= 64 && key_id.bytes().all(|it| it.is_ascii_alphanumeric());
    if !possible {
        let what = format!("must be an id such as K2JCJMDEHXQW5F, not `{key_id}`");
        environment.fault(&CLOUDFRONT_KEY_ID, &what);
    }
    match UrlSigner::new(&key_id, &key) {
        Ok(signer) => Some(signer),
        Err(bad) => {
            environment.fault(&CLOUDFRONT_PRIVATE_KEY, &bad.to_string());
            None
        }
    }
}

/// The queue of the jobs and the one of the dead letters.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Address of the queue.
    pub url: String,
    /// Address of the dead letters' queue.
    pub dead_letter_url: String,
}

const SQS_QUEUE_URL: Setting = Setting {
    name: "SQS_QUEUE_URL",
    default: None,
    help: "Address of the queue of the jobs.",
};
const SQS_DEAD_LETTER_QUEUE_URL: Setting = Setting {
    name: "SQS_DEAD_LETTER_QUEUE_URL",
    default: None,
    help: "Address of the queue of the dead letters.",
};

impl QueueConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[SQS_QUEUE_URL, SQS_DEAD_LETTER_QUEUE_URL];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let mut url = |setting| {
            environment.required(setting);
            http_url(environment, setting).unwrap_or_default()
        };
        Self {
            url: url(&SQS_QUEUE_URL),
            dead_letter_url: url(&SQS_DEAD_LETTER_QUEUE_URL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cdn(domain: &str) -> CdnConfig {
        CdnConfig::read(&mut Environment::of([("CLOUDFRONT_DOMAIN", domain)]))
    }

    #[test]
    fn a_bare_domain_means_https() {
        let url = |domain| cdn(domain).url("generated_images/a.webp").unwrap();
        assert_eq!(
            url("d1.cloudfront.net"),
            "https://d1.cloudfront.net/generated_images/a.webp"
        );
        assert_eq!(
            url("http://127.0.0.1:9000/"),
            "http://127.0.0.1:9000/generated_images/a.webp"
        );
    }

    #[test]
    fn without_a_cdn_there_is_no_address() {
        assert_eq!(cdn("").url("k"), None);
    }

    const KEY: &str = include_str!("../tests/keys/pkcs8.pem");

    fn private(options: &[(&str, &str)]) -> Result<CdnConfig, Vec<String>> {
        let mut environment = Environment::of([("CLOUDFRONT_DOMAIN", "d1.cloudfront.net")])
            .with(options.iter().copied());
        let config = CdnConfig::read_api(&mut environment);
        environment.finish(config).map_err(|faults| faults.0)
    }

    #[test]
    fn with_a_key_an_api_hands_out_signed_addresses_and_others_write_plain_ones() {
        let options = [("CLOUDFRONT_KEY_ID", "K1"), ("CLOUDFRONT_PRIVATE_KEY", KEY)];
        let url = private(&options).unwrap().url("a.webp").unwrap();
        assert!(
            url.starts_with("https://d1.cloudfront.net/a.webp?Expires="),
            "{url}"
        );
        let mut environment =
            Environment::of([("CLOUDFRONT_DOMAIN", "d1.cloudfront.net")]).with(options);
        let worker = CdnConfig::read(&mut environment);
        assert_eq!(
            worker.url("a.webp").unwrap(),
            "https://d1.cloudfront.net/a.webp"
        );
    }

    #[test]
    fn half_a_key_pair_and_a_bad_one_are_faults_by_name() {
        let faults = |options: &[(&str, &str)]| private(options).unwrap_err();
        assert_eq!(
            faults(&[("CLOUDFRONT_KEY_ID", "K1")]),
            ["CLOUDFRONT_PRIVATE_KEY is not set, but CLOUDFRONT_KEY_ID is"]
        );
        assert_eq!(
            faults(&[("CLOUDFRONT_PRIVATE_KEY", KEY)]),
            ["CLOUDFRONT_KEY_ID is not set, but CLOUDFRONT_PRIVATE_KEY is"]
        );
        let all = faults(&[
            ("CLOUDFRONT_DOMAIN", ""),
            ("CLOUDFRONT_KEY_ID", "K 1"),
            ("CLOUDFRONT_PRIVATE_KEY", "hidden"),
        ]);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].starts_with("CLOUDFRONT_KEY_ID needs CLOUDFRONT_DOMAIN"));
        assert!(all[1].starts_with("CLOUDFRONT_KEY_ID must be"));
        assert!(all[2].starts_with("CLOUDFRONT_PRIVATE_KEY must be"));
        assert!(!all[2].contains("hidden"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (name, values) in [
            (
                "CLOUDFRONT_DOMAIN",
                &["http://", "not a domain", "a/b", "ftp://a"][..],
            ),
            ("S3_BUCKET_NAME", &["Bad Bucket", "ab", "-abc", "a_b_c"]),
            ("AWS_REGION", &["us_east", "US-EAST-1"]),
            ("BEDROCK_REGION", &["us west 2"]),
            ("SQS_QUEUE_URL", &["http://", "jobs"]),
            ("AWS_ENDPOINT_URL_S3", &["localhost:9000"]),
        ] {
            for value in values {
                let good = [
                    ("AWS_REGION", "eu-central-1"),
                    ("S3_BUCKET_NAME", "pictures-1.eu"),
                    (
                        "SQS_QUEUE_URL",
                        "https://sqs.eu-central-1.amazonaws.com/1/jobs",
                    ),
                    (
                        "SQS_DEAD_LETTER_QUEUE_URL",
                        "http://127.0.0.1:9324/1/letters",
                    ),
                ];
                let mut environment = Environment::of(good).with([(name, *value)]);
                CloudConfig::read(&mut environment);
                BucketConfig::read(&mut environment);
                CdnConfig::read(&mut environment);
                QueueConfig::read(&mut environment);
                let faults = environment.finish(()).expect_err(value).0;
                assert!(faults.iter().all(|it| it.starts_with(name)), "{faults:?}");
            }
        }
    }
}
