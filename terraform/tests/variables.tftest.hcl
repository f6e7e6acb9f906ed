# Wrong variables are refused, each with a sentence (validation blocks in variables.tf).

# A plan of the whole stack for each would take minutes, so a module that is variables.tf and
# nothing else stands for it; the last run sees that the stack itself refuses, too.

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "aws" {
  alias  = "us_east_1"
  source = "./tests/mocks"
}

run "api_cdn_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_cdn = true
  }

  expect_failures = [var.api_cdn]
}

run "api_cdn_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_cdn                 = true
    fleet                   = "none"
    kubernetes_cluster_name = "school"
    auth_issuer             = "https://id.example.org"
    auth_client_id          = "atelier"
  }

  expect_failures = [var.api_cdn]
}

run "api_cdn_certificate_arn_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_cdn                 = true
    api_domain              = "pictures.example.org"
    api_cdn_certificate_arn = "arn:aws:acm:us-west-2:123456789012:certificate/mine"
    auth_issuer             = "https://id.example.org"
    auth_client_id          = "atelier"
  }

  expect_failures = [var.api_cdn_certificate_arn]
}

run "api_cdn_certificate_arn_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_cdn_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/mine"
  }

  expect_failures = [var.api_cdn_certificate_arn]
}

run "api_cdn_certificate_arn_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_cdn        = true
    api_domain     = "pictures.example.org"
    auth_issuer    = "https://id.example.org"
    auth_client_id = "atelier"
  }

  expect_failures = [var.api_cdn_certificate_arn]
}

run "image_lifecycle_ia_days_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_ia_days = -1
  }

  expect_failures = [var.image_lifecycle_ia_days]
}

run "image_lifecycle_ia_days_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_ia_days = 0
  }

  expect_failures = [var.image_lifecycle_ia_days]
}

run "image_lifecycle_ia_days_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_ia_days = 29
  }

  expect_failures = [var.image_lifecycle_ia_days]
}

run "image_lifecycle_ia_days_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_ia_days = 30.5
  }

  expect_failures = [var.image_lifecycle_ia_days]
}

run "image_lifecycle_glacier_days_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_glacier_days = -1
  }

  expect_failures = [var.image_lifecycle_glacier_days]
}

run "image_lifecycle_glacier_days_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_glacier_days = 0
  }

  expect_failures = [var.image_lifecycle_glacier_days]
}

run "image_lifecycle_glacier_days_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_glacier_days = 29
  }

  expect_failures = [var.image_lifecycle_glacier_days]
}

run "image_lifecycle_glacier_days_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_glacier_days = 180.5
  }

  expect_failures = [var.image_lifecycle_glacier_days]
}

run "image_lifecycle_expiration_days_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_expiration_days = -1
  }

  expect_failures = [var.image_lifecycle_expiration_days]
}

run "image_lifecycle_expiration_days_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_expiration_days = 0
  }

  expect_failures = [var.image_lifecycle_expiration_days]
}

run "image_lifecycle_expiration_days_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_expiration_days = 0.5
  }

  expect_failures = [var.image_lifecycle_expiration_days]
}

run "image_noncurrent_days_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_noncurrent_days = 0
  }

  expect_failures = [var.image_noncurrent_days]
}

run "image_noncurrent_days_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_noncurrent_days = 1.5
  }

  expect_failures = [var.image_noncurrent_days]
}

run "prefix_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "Upper"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "under_score"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "-begins"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "ends-"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_5" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "xn--reserved"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_6" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "sthree-reserved"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_7" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "ab"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_8" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "a.dot"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_9" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "with space"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_10" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "prefix_11" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    s3_bucket_prefix = ""
  }

  expect_failures = [var.s3_bucket_prefix]
}

run "price_class_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cloudfront_price_class = "PriceClass_300"
  }

  expect_failures = [var.cloudfront_price_class]
}

run "price_class_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cloudfront_price_class = ""
  }

  expect_failures = [var.cloudfront_price_class]
}

run "quota_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bucket_quota_gb = 0
  }

  expect_failures = [var.bucket_quota_gb]
}

run "quota_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bucket_quota_gb = -1
  }

  expect_failures = [var.bucket_quota_gb]
}

run "glacier_class_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_glacier_storage_class = "DEEP_ARCHIVE"
  }

  expect_failures = [var.image_glacier_storage_class]
}

run "tiering_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_storage_tiering = "both"
  }

  expect_failures = [var.image_storage_tiering]
}

run "cors_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cors_allowed_origins = []
  }

  expect_failures = [var.cors_allowed_origins]
}

run "cors_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cors_allowed_origins = ["portal.example.org"]
  }

  expect_failures = [var.cors_allowed_origins]
}

run "cors_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cors_allowed_origins = ["https://portal.example.org/path"]
  }

  expect_failures = [var.cors_allowed_origins]
}

run "ttl_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cloudfront_default_ttl_seconds = 3600
  }

  expect_failures = [var.cloudfront_default_ttl_seconds]
}

run "ttl_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cloudfront_default_ttl_seconds = 31536001
  }

  expect_failures = [var.cloudfront_default_ttl_seconds]
}

run "ttl_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cloudfront_default_ttl_seconds = 86400.5
  }

  expect_failures = [var.cloudfront_default_ttl_seconds]
}

run "error_ttl_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_error_ttl_seconds = 0
  }

  expect_failures = [var.cdn_error_ttl_seconds]
}

run "error_ttl_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_error_ttl_seconds = 3600
  }

  expect_failures = [var.cdn_error_ttl_seconds]
}

run "aliases_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_aliases = ["pictures.example.org"]
  }

  expect_failures = [var.cdn_aliases]
}

run "cdn_certificate_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
  }

  expect_failures = [var.cdn_certificate_arn]
}

run "fleet_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    fleet = "eks"
  }

  expect_failures = [var.fleet]
}

run "installation_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name = "Atelier"
  }

  expect_failures = [var.name]
}

run "installation_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name = "a"
  }

  expect_failures = [var.name]
}

run "installation_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name = "ends-"
  }

  expect_failures = [var.name]
}

run "installation_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name = "longer-than-twenty-characters"
  }

  expect_failures = [var.name]
}

run "region_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    aws_region = "Oregon"
  }

  expect_failures = [var.aws_region]
}

run "model_region_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_region = ""
  }

  expect_failures = [var.bedrock_region]
}

run "claim_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    claim_seconds = 0
  }

  expect_failures = [var.claim_seconds]
}

run "claim_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    claim_seconds = 43201
  }

  expect_failures = [var.claim_seconds]
}

run "claim_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    claim_seconds = 60.5
  }

  expect_failures = [var.claim_seconds]
}

run "grace_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    grace_seconds = 0
  }

  expect_failures = [var.grace_seconds]
}

run "grace_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    grace_seconds = 91
  }

  expect_failures = [var.grace_seconds]
}

run "attempts_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    max_attempts = 0
  }

  expect_failures = [var.max_attempts]
}

run "give_up_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    give_up_seconds = 0
  }

  expect_failures = [var.give_up_seconds]
}

run "give_up_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    give_up_seconds = 345601
  }

  expect_failures = [var.give_up_seconds]
}

run "limit_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    create_limit_per_minute = -1
  }

  expect_failures = [var.create_limit_per_minute]
}

run "limit_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    create_limit_per_minute = 0.5
  }

  expect_failures = [var.create_limit_per_minute]
}

run "budget_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    budget_usd_per_day = -1
  }

  expect_failures = [var.budget_usd_per_day]
}

run "budget_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    budget_usd_per_teacher_per_day = 1000001
  }

  expect_failures = [var.budget_usd_per_teacher_per_day]
}

run "reuse_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    reuse = "class"
  }

  expect_failures = [var.reuse]
}

run "quality_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    webp_quality = 0
  }

  expect_failures = [var.webp_quality]
}

run "quality_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    webp_quality = 101
  }

  expect_failures = [var.webp_quality]
}

run "models_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_models = []
  }

  expect_failures = [var.bedrock_models]
}

run "models_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_models = ["*"]
  }

  expect_failures = [var.bedrock_models]
}

run "models_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_models = ["openai.image"]
  }

  expect_failures = [var.bedrock_models]
}

run "models_twice" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_models = ["stability.sd3-5-large-v1:0", "stability.sd3-5-large-v1:0"]
  }

  expect_failures = [var.bedrock_models]
}

run "models_that_edit" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_models = ["us.stability.stable-image-inpaint-v1:0"]
  }

  expect_failures = [var.bedrock_models]
}

run "models_without_a_price" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_models = ["stability.new-v1:0"]
  }

  expect_failures = [var.bedrock_models]
}

run "models_with_a_price_and_profiles" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_models = ["us.stability.new-v1:0", "us.stability.stable-image-core-v1:1", "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.stability.sd3-5-large-v1:0"]
    bedrock_prices = { "stability.new-v1:0" = 0.2 }
  }
}

run "prices_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_prices = { "stability.new-v1:0" = 0 }
  }

  expect_failures = [var.bedrock_prices]
}

run "prices_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_prices = { "stability.new-v1:0=1,x" = 1 }
  }

  expect_failures = [var.bedrock_prices]
}

run "worker_min_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_min = -1
  }

  expect_failures = [var.worker_min]
}

run "worker_min_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_min = 0.5
  }

  expect_failures = [var.worker_min]
}

run "model_quota_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    model_quota_per_minute = 0
  }

  expect_failures = [var.model_quota_per_minute]
}

run "model_quota_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    model_quota_per_minute = -1
  }

  expect_failures = [var.model_quota_per_minute]
}

run "model_quota_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    model_quota_per_minute = 1.5
  }

  expect_failures = [var.model_quota_per_minute]
}

run "spot_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_spot_percent = -1
  }

  expect_failures = [var.worker_spot_percent]
}

run "spot_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_spot_percent = 101
  }

  expect_failures = [var.worker_spot_percent]
}

run "api_spot_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_spot_percent = 101
  }

  expect_failures = [var.api_spot_percent]
}

run "types_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_instance_types = []
  }

  expect_failures = [var.worker_instance_types]
}

run "api_types_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_instance_types = []
  }

  expect_failures = [var.api_instance_types]
}

run "ami_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    ami_id = "al2023"
  }

  expect_failures = [var.ami_id]
}

run "vpc_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    vpc_cidr = "10.0.0.0/8"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    vpc_cidr = "10.0.0.0"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    vpc_cidr = "10.0.0.0/24"
  }

  expect_failures = [var.vpc_cidr]
}

run "zones_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    zone_count = 1
  }

  expect_failures = [var.zone_count]
}

run "zones_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    zone_count = 5
  }

  expect_failures = [var.zone_count]
}

run "store_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    store_cidrs = ["mongodb.example.org"]
  }

  expect_failures = [var.store_cidrs]
}

run "callers_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs = ["my-house"]
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "callers_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "callers_of_an_open_api" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs   = ["0.0.0.0/0"]
    api_certificate_arn = "arn:aws:acm:us-west-2:123456789012:certificate/1"
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "waf_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    waf_requests_per_5_minutes = 0
  }

  expect_failures = [var.waf_requests_per_5_minutes]
}

run "waf_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    waf_requests_per_5_minutes = 9
  }

  expect_failures = [var.waf_requests_per_5_minutes]
}

run "topic_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_topic_arn = "notices"
  }

  expect_failures = [var.alarm_topic_arn]
}

run "cdn_topic_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_topic_arn_us_east_1 = "arn:aws:sns:us-west-2:123456789012:notices"
  }

  expect_failures = [var.alarm_topic_arn_us_east_1]
}

run "emails_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_emails = ["nobody"]
  }

  expect_failures = [var.alarm_emails]
}

run "age_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    oldest_job_limit_seconds = 0
  }

  expect_failures = [var.oldest_job_limit_seconds]
}

run "model_budget_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    model_daily_budget_usd = 0
  }

  expect_failures = [var.model_daily_budget_usd]
}

run "retention_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "retention_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "tag_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_tag = "a tag"
  }

  expect_failures = [var.image_tag]
}

run "secret_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    store_url_secret_arn = "mongodb://user:password@host"
  }

  expect_failures = [var.store_url_secret_arn]
}

run "repository_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_repository = "atelier"
  }

  expect_failures = [var.github_repository]
}

run "environment_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_environment = "*"
  }

  expect_failures = [var.github_environment]
}

run "oidc_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_oidc_provider_arn = "arn:aws:iam::1:role/x"
  }

  expect_failures = [var.github_oidc_provider_arn]
}

run "certificate_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_certificate_arn = "example.org"
  }

  expect_failures = [var.api_certificate_arn]
}

run "days_of_a_hundred_years_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_ia_days = 36501
  }

  expect_failures = [var.image_lifecycle_ia_days]
}

run "glacier_of_a_hundred_years_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_glacier_days = 36501
  }

  expect_failures = [var.image_lifecycle_glacier_days]
}

run "expiration_of_a_hundred_years_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_lifecycle_expiration_days = 36501
  }

  expect_failures = [var.image_lifecycle_expiration_days]
}

run "noncurrent_of_a_hundred_years_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    image_noncurrent_days = 36501
  }

  expect_failures = [var.image_noncurrent_days]
}

run "installation_that_aws_reserves_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name = "internal-atelier"
  }

  expect_failures = [var.name]
}

run "installation_that_aws_reserves_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name = "my--atelier"
  }

  expect_failures = [var.name]
}

run "region_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    aws_region = "us-west-0"
  }

  expect_failures = [var.aws_region]
}

run "region_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    aws_region = "us-west-22"
  }

  expect_failures = [var.aws_region]
}

run "region_form_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    aws_region = "xx-yyy-1"
  }

  expect_failures = [var.aws_region]
}

run "region_form_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    aws_region = "us-west-2a"
  }

  expect_failures = [var.aws_region]
}

run "model_region_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_region = "us-west-0"
  }

  expect_failures = [var.bedrock_region]
}

run "model_region_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_region = "us-westeast-1"
  }

  expect_failures = [var.bedrock_region]
}

run "alias_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_aliases         = ["https://pictures.example.org"]
    cdn_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.cdn_aliases]
}

run "alias_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_aliases         = ["pictures"]
    cdn_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.cdn_aliases]
}

run "alias_form_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_aliases         = [""]
    cdn_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.cdn_aliases]
}

run "alias_form_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_aliases         = ["Pictures.example.org"]
    cdn_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.cdn_aliases]
}

run "alias_form_5" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_aliases         = ["a..example.org"]
    cdn_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.cdn_aliases]
}

run "alias_form_6" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_aliases         = ["*"]
    cdn_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.cdn_aliases]
}

run "cdn_certificate_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_certificate_arn = "arn:aws:acm:us-west-2:123456789012:certificate/1"
  }

  expect_failures = [var.cdn_certificate_arn]
}

run "cdn_certificate_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cdn_certificate_arn = "arn:aws:acm:us-east-1:"
  }

  expect_failures = [var.cdn_certificate_arn]
}

run "api_image_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_image = ""
  }

  expect_failures = [var.api_image]
}

run "api_image_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_image = "two words"
  }

  expect_failures = [var.api_image]
}

run "worker_image_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_image = ""
  }

  expect_failures = [var.worker_image]
}

run "worker_image_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_image = "two words"
  }

  expect_failures = [var.worker_image]
}

run "collector_image_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    collector_image = ""
  }

  expect_failures = [var.collector_image]
}

run "collector_image_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    collector_image = "two words"
  }

  expect_failures = [var.collector_image]
}

run "secret_elsewhere_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    store_url_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mine"
  }

  expect_failures = [var.store_url_secret_arn]
}

run "secret_key_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    store_url_key_arn    = "alias/mine"
    store_url_secret_arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:mine"
  }

  expect_failures = [var.store_url_key_arn]
}

run "secret_key_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    store_url_key_arn    = "arn:aws:kms:us-west-2:123456789012:alias/mine"
    store_url_secret_arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:mine"
  }

  expect_failures = [var.store_url_key_arn]
}

run "secret_key_form_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    store_url_key_arn    = "arn:aws:kms:eu-west-1:123456789012:key/1"
    store_url_secret_arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:mine"
  }

  expect_failures = [var.store_url_key_arn]
}

run "secret_key_without_secret_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    store_url_key_arn = "arn:aws:kms:us-west-2:123456789012:key/1"
  }

  expect_failures = [var.store_url_key_arn]
}

run "models_that_no_worker_knows_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    bedrock_models = ["amazon.titan-text-v1"]
  }

  expect_failures = [var.bedrock_models]
}

run "claim_that_no_service_takes_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    claim_seconds = 3601
  }

  expect_failures = [var.claim_seconds]
}

run "attempts_that_no_service_takes_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    max_attempts = 101
  }

  expect_failures = [var.max_attempts]
}

run "attempts_that_no_service_takes_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    max_attempts = 1.5
  }

  expect_failures = [var.max_attempts]
}

run "limit_that_no_api_takes_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    create_limit_per_minute = 1000001
  }

  expect_failures = [var.create_limit_per_minute]
}

run "auth_that_no_api_takes_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_environment = { AUTH = "oidc" }
  }

  expect_failures = [var.api_environment]
}

run "an_open_address_without_an_identity_provider" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs   = ["0.0.0.0/0"]
    api_certificate_arn = "arn:aws:acm:us-west-2:123456789012:certificate/1"
    api_environment     = {}
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "an_open_address_without_a_certificate" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs = ["0.0.0.0/0"]
    auth_issuer       = "https://id.example.org"
    auth_client_id    = "atelier"
    public_url        = "https://atelier.example.org"
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "an_issuer_without_tls" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    auth_issuer    = "http://id.example.org"
    auth_client_id = "atelier"
    public_url     = "https://atelier.example.org"
  }

  expect_failures = [var.auth_issuer]
}

run "an_issuer_without_a_client" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    auth_issuer = "https://id.example.org"
    public_url  = "https://atelier.example.org"
  }

  expect_failures = [var.auth_client_id]
}

run "an_issuer_without_a_public_address" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    auth_issuer    = "https://id.example.org"
    auth_client_id = "atelier"
  }

  expect_failures = [var.public_url]
}

run "an_issuer_and_a_name_without_tls" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    auth_issuer    = "https://id.example.org"
    auth_client_id = "atelier"
    api_domain     = "pictures.example.org"
  }

  expect_failures = [var.public_url]
}

run "a_zone_has_tls_and_says_the_public_address" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    auth_issuer       = "https://id.example.org"
    auth_client_id    = "atelier"
    api_domain        = "pictures.example.org"
    api_zone_id       = "Z0123456789ABC"
    api_ingress_cidrs = ["0.0.0.0/0"]
  }
}

run "a_zone_alone_opens_nothing" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_domain        = "pictures.example.org"
    api_zone_id       = "Z0123456789ABC"
    api_ingress_cidrs = ["0.0.0.0/0"]
    api_environment   = {}
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "a_client_without_an_issuer" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    auth_client_id = "atelier"
  }

  expect_failures = [var.auth_client_id]
}

run "a_public_address_without_tls" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    public_url = "http://atelier.example.org"
  }

  expect_failures = [var.public_url]
}

run "a_secret_among_the_providers_options" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    auth_environment = { AUTH_CLIENT_SECRET = "hidden" }
  }

  expect_failures = [var.auth_environment]
}

run "a_secret_in_the_apis_environment" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_environment = { SESSION_KEYS = "hidden" }
  }

  expect_failures = [var.api_environment]
}

run "types_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_instance_types = [""]
  }

  expect_failures = [var.worker_instance_types]
}

run "types_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_instance_types = ["c6i"]
  }

  expect_failures = [var.worker_instance_types]
}

run "api_types_form_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_instance_types = [""]
  }

  expect_failures = [var.api_instance_types]
}

run "api_types_form_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_instance_types = ["t3.small", "T3.small"]
  }

  expect_failures = [var.api_instance_types]
}

run "api_task_that_fargate_lacks_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_task_size = { cpu = 300, memory = 1024 }
  }

  expect_failures = [var.api_task_size]
}

run "api_task_that_fargate_lacks_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_task_size = { cpu = 256, memory = 4096 }
  }

  expect_failures = [var.api_task_size]
}

run "api_task_that_fargate_lacks_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_task_size = { cpu = 1024, memory = 1024 }
  }

  expect_failures = [var.api_task_size]
}

run "api_task_that_fargate_lacks_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_task_size = { cpu = 1024, memory = 2500 }
  }

  expect_failures = [var.api_task_size]
}

run "api_task_that_fargate_lacks_5" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_task_size = { cpu = 8192, memory = 17408 }
  }

  expect_failures = [var.api_task_size]
}

run "api_task_that_fargate_lacks_6" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_task_size = { cpu = 0, memory = 0 }
  }

  expect_failures = [var.api_task_size]
}

run "worker_task_that_fargate_lacks_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_task_size = { cpu = 300, memory = 1024 }
  }

  expect_failures = [var.worker_task_size]
}

run "worker_task_that_fargate_lacks_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_task_size = { cpu = 256, memory = 4096 }
  }

  expect_failures = [var.worker_task_size]
}

run "worker_task_that_fargate_lacks_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_task_size = { cpu = 1024, memory = 1024 }
  }

  expect_failures = [var.worker_task_size]
}

run "worker_task_that_fargate_lacks_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_task_size = { cpu = 1024, memory = 2500 }
  }

  expect_failures = [var.worker_task_size]
}

run "worker_task_that_fargate_lacks_5" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_task_size = { cpu = 8192, memory = 17408 }
  }

  expect_failures = [var.worker_task_size]
}

run "worker_task_that_fargate_lacks_6" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    worker_task_size = { cpu = 0, memory = 0 }
  }

  expect_failures = [var.worker_task_size]
}

run "vpc_with_host_bits_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    vpc_cidr = "10.40.7.0/16"
  }

  expect_failures = [var.vpc_cidr]
}

run "store_with_host_bits_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    store_cidrs = ["10.1.2.3/8"]
  }

  expect_failures = [var.store_cidrs]
}

run "callers_with_host_bits_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs = ["203.0.113.7/24"]
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "callers_with_host_bits_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs = ["1.2.3.4/0"]
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "callers_in_two_halves_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs = ["0.0.0.0/1", "128.0.0.0/1"]
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "callers_in_two_halves_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs = ["203.0.113.7/32", "64.0.0.0/2"]
  }

  expect_failures = [var.api_ingress_cidrs]
}

run "certificate_elsewhere_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
  }

  expect_failures = [var.api_certificate_arn]
}

run "topic_elsewhere_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_topic_arn = "arn:aws:sns:eu-west-1:123456789012:mine"
  }

  expect_failures = [var.alarm_topic_arn]
}

run "topic_elsewhere_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_topic_arn = "arn:aws:sns:us-west-2:"
  }

  expect_failures = [var.alarm_topic_arn]
}

run "cdn_topic_elsewhere_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_topic_arn_us_east_1 = "arn:aws:sns:us-west-2:123456789012:mine"
  }

  expect_failures = [var.alarm_topic_arn_us_east_1]
}

run "the_ends_of_every_range_are_accepted" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name                            = "a-1"
    aws_region                      = "us-gov-west-1"
    bedrock_region                  = "ap-southeast-2"
    image_lifecycle_ia_days         = 36500
    image_lifecycle_glacier_days    = 30
    image_lifecycle_expiration_days = 36500
    cdn_aliases                     = ["*.example.org", "pictures.example.xn--p1ai"]
    cdn_certificate_arn             = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    api_image                       = "registry.example.org:5000/Atelier/api@sha256:0123"
    store_url_secret_arn            = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:mine/store-AbCdEf"
    store_url_key_arn               = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1"
    claim_seconds                   = 3600
    max_attempts                    = 100
    create_limit_per_minute         = 1000000
    api_environment                 = {}
    auth_issuer                     = "https://id.example.org:8443/realms/school"
    auth_client_id                  = "atelier"
    auth_environment                = { AUTH_ROLES = "teacher=staff", AUTH_AUDIENCE = "one,two" }
    public_url                      = "https://atelier.example.org/"
    worker_instance_types           = ["c7i-flex.large", "u-6tb1.metal", "m6i.large"]
    api_task_size                   = { cpu = 256, memory = 512 }
    worker_task_size                = { cpu = 16384, memory = 122880 }
    vpc_cidr                        = "10.40.16.0/20"
    api_certificate_arn             = "arn:aws-us-gov:acm:us-gov-west-1:123456789012:certificate/1"
    api_ingress_cidrs               = ["0.0.0.0/0"]
    alarm_topic_arn                 = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:mine"
  }

  assert {
    condition     = local.fargate_memory["1024"] == range(2048, 8193, 1024)
    error_message = "Fargate's own table."
  }
}

run "all_of_a_private_network_may_call" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_ingress_cidrs = ["10.0.0.0/8", "203.0.113.7/32"]
  }
}

run "github_subject_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_subject    = "repo:school/*:environment:staging"
    github_repository = "school/atelier"
  }

  expect_failures = [var.github_subject]
}

run "github_subject_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_subject    = "repo:school@1/atelier:environment:staging"
    github_repository = "school/atelier"
  }

  expect_failures = [var.github_subject]
}

run "github_subject_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_subject    = "repo:school/atelier:ref:refs/heads/main"
    github_repository = "school/atelier"
  }

  expect_failures = [var.github_subject]
}

run "github_subject_4" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_subject    = "repo:other@1/atelier@2:environment:staging"
    github_repository = "school/atelier"
  }

  expect_failures = [var.github_subject]
}

run "github_subject_5" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_subject    = "repo:school@1/atelier@2:environment:production"
    github_repository = "school/atelier"
  }

  expect_failures = [var.github_subject]
}

run "github_subject_6" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_subject = "repo:school/atelier:environment:staging"

  }

  expect_failures = [var.github_subject]
}

run "api_domain_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_domain = "https://pictures.example.org"

  }

  expect_failures = [var.api_domain]
}

run "api_domain_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_domain = "Pictures.example.org"

  }

  expect_failures = [var.api_domain]
}

run "api_zone_id_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_zone_id = "pictures.example.org"
    api_domain  = "pictures.example.org"
  }

  expect_failures = [var.api_zone_id]
}

run "api_zone_id_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    api_zone_id = "Z0123456789ABC"

  }

  expect_failures = [var.api_zone_id]
}

run "kubernetes_cluster_name_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    kubernetes_cluster_name = null
    fleet                   = "none"
  }

  expect_failures = [var.kubernetes_cluster_name]
}

run "kubernetes_cluster_name_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    kubernetes_cluster_name = "school"

  }

  expect_failures = [var.kubernetes_cluster_name]
}

run "kubernetes_cluster_name_3" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    kubernetes_cluster_name      = "school"
    fleet                        = "none"
    kubernetes_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/x"
  }

  expect_failures = [var.kubernetes_cluster_name]
}

run "kubernetes_oidc_provider_arn_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    kubernetes_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/x"

  }

  expect_failures = [var.kubernetes_oidc_provider_arn]
}

run "kubernetes_oidc_provider_arn_2" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    kubernetes_oidc_provider_arn = "x"
    fleet                        = "none"
  }

  expect_failures = [var.kubernetes_oidc_provider_arn]
}

run "kubernetes_namespace_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    kubernetes_namespace = "A"

  }

  expect_failures = [var.kubernetes_namespace]
}

run "import_bucket_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    import_bucket = "s3://old"

  }

  expect_failures = [var.import_bucket]
}

run "smoke_api_key_secret_arn_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    smoke_api_key_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"

  }

  expect_failures = [var.smoke_api_key_secret_arn]
}

run "operator_image_1" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    operator_image = "$(id)"

  }

  expect_failures = [var.operator_image]
}

run "subjects_of_both_kinds" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    github_repository = "school/atelier"
    github_subject    = "repo:school@12/atelier@34:environment:staging"
  }
}

run "the_stack_itself_refuses" {
  command = plan

  variables {
    image_lifecycle_ia_days = 0
  }

  expect_failures = [var.image_lifecycle_ia_days]
}
