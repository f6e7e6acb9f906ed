# General

variable "name" {
  description = "Name of this installation; the prefix of what it creates (for example `atelier-staging`)."
  type        = string
  default     = "atelier"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 20 characters of a-z, 0-9 and hyphen, begin with a letter and not end with a hyphen."
  }

  validation {
    condition     = !startswith(var.name, "internal-") && !strcontains(var.name, "--")
    error_message = "name must not begin with internal-, which load balancers reserve, nor hold two hyphens in a row, which ECR refuses."
  }
}

variable "aws_region" {
  description = "Region of everything except CloudFront and its alarms."
  type        = string
  default     = "us-west-2"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)?-(central|(north|south)?(east|west)|north|south)-[1-9]$", var.aws_region))
    error_message = "aws_region must be a region's name such as us-west-2."
  }
}

variable "bedrock_region" {
  description = "Region of the text-to-image models. Where it is not `aws_region`, the models are reached through NAT instead of a VPC endpoint."
  type        = string
  default     = "us-west-2"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)?-(central|(north|south)?(east|west)|north|south)-[1-9]$", var.bedrock_region))
    error_message = "bedrock_region must be a region's name such as us-west-2."
  }
}

variable "tags" {
  description = "Tags of every resource, beside `Project` and `ManagedBy`."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "deletion_protection" {
  description = "Refuse to delete the load balancer, a bucket that holds pictures, or a repository that holds images."
  type        = bool
  default     = true
  nullable    = false
}

# Bucket

variable "s3_bucket_prefix" {
  description = "Prefix of the picture bucket's name; AWS adds a unique suffix."
  type        = string
  default     = "education-portal-images"
  nullable    = false

  validation {
    condition = (
      can(regex("^[a-z0-9][a-z0-9-]{1,34}[a-z0-9]$", var.s3_bucket_prefix)) &&
      !can(regex("^(xn--|sthree-|amzn-s3-demo-)", var.s3_bucket_prefix))
    )
    error_message = "s3_bucket_prefix must be 3 to 36 characters of a-z, 0-9 and hyphen, begin and end with a letter or digit, and not begin with xn--, sthree- or amzn-s3-demo-, which S3 reserves."
  }
}

variable "image_lifecycle_ia_days" {
  description = "Days before transitioning to Infrequent Access."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.image_lifecycle_ia_days >= 30 && var.image_lifecycle_ia_days <= 36500 && floor(var.image_lifecycle_ia_days) == var.image_lifecycle_ia_days
    error_message = "image_lifecycle_ia_days must be a whole number from 30 to 36500 (a hundred years). S3 moves nothing to Infrequent Access earlier than after 30."
  }
}

variable "image_lifecycle_glacier_days" {
  description = "Days in IA before transitioning to Glacier."
  type        = number
  default     = 180
  nullable    = false

  validation {
    condition     = var.image_lifecycle_glacier_days >= 30 && var.image_lifecycle_glacier_days <= 36500 && floor(var.image_lifecycle_glacier_days) == var.image_lifecycle_glacier_days
    error_message = "image_lifecycle_glacier_days must be a whole number from 30 to 36500 (a hundred years). S3 keeps an object at least 30 days in Infrequent Access."
  }
}

variable "image_lifecycle_expiration_days" {
  description = "Days in Glacier before deletion."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.image_lifecycle_expiration_days >= 1 && var.image_lifecycle_expiration_days <= 36500 && floor(var.image_lifecycle_expiration_days) == var.image_lifecycle_expiration_days
    error_message = "image_lifecycle_expiration_days must be a whole number from 1 to 36500 (a hundred years)."
  }
}

variable "image_glacier_storage_class" {
  description = "The Glacier class. `GLACIER_IR` opens a picture in milliseconds; `GLACIER` is cheaper, but a picture in it has to be restored by hand first and readers meet the placeholder."
  type        = string
  default     = "GLACIER_IR"
  nullable    = false

  validation {
    condition     = contains(["GLACIER_IR", "GLACIER"], var.image_glacier_storage_class)
    error_message = "image_glacier_storage_class must be GLACIER_IR or GLACIER."
  }
}

variable "image_storage_tiering" {
  description = "`lifecycle` moves pictures by age (IA, then Glacier); `intelligent` leaves the choice to S3 Intelligent-Tiering. Both delete at the same age."
  type        = string
  default     = "lifecycle"
  nullable    = false

  validation {
    condition     = contains(["lifecycle", "intelligent"], var.image_storage_tiering)
    error_message = "image_storage_tiering must be lifecycle or intelligent."
  }
}

variable "image_noncurrent_days" {
  description = "Days that an overwritten or deleted version is kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.image_noncurrent_days >= 1 && var.image_noncurrent_days <= 36500 && floor(var.image_noncurrent_days) == var.image_noncurrent_days
    error_message = "image_noncurrent_days must be a whole number from 1 to 36500 (a hundred years)."
  }
}

variable "bucket_quota_gb" {
  description = "Size that the picture bucket should not pass, in GB (10^9 bytes); the alarm rings at 80% of it."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = var.bucket_quota_gb > 0
    error_message = "bucket_quota_gb must be greater than 0."
  }
}

variable "cors_allowed_origins" {
  description = "Origins whose pages may read pictures by script (`https://portal.example.org`); `*` allows all. Showing a picture in a page needs no entry."
  type        = list(string)
  default     = ["*"]
  nullable    = false

  validation {
    condition     = length(var.cors_allowed_origins) > 0 && alltrue([for origin in var.cors_allowed_origins : can(regex("^(\\*|https?://[^/\\s]+)$", origin))])
    error_message = "cors_allowed_origins must name at least one origin, each * or a scheme and host such as https://portal.example.org, without a path."
  }
}

variable "s3_permissions" {
  description = "Whether API and worker may use the bucket. `false` removes their S3 permissions and nothing else (the rollback plan): no picture is lost, workers pause."
  type        = bool
  default     = true
  nullable    = false
}

# CDN

variable "cloudfront_price_class" {
  description = "CloudFront price class."
  type        = string
  default     = "PriceClass_100"
  nullable    = false

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.cloudfront_price_class)
    error_message = "cloudfront_price_class must be PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "cloudfront_default_ttl_seconds" {
  description = "Seconds that CloudFront keeps a picture that names no lifetime itself."
  type        = number
  default     = 86400
  nullable    = false

  validation {
    condition     = var.cloudfront_default_ttl_seconds >= 86400 && var.cloudfront_default_ttl_seconds <= 31536000 && floor(var.cloudfront_default_ttl_seconds) == var.cloudfront_default_ttl_seconds
    error_message = "cloudfront_default_ttl_seconds must be a whole number from 86400 (24 hours, the portal's promise) to 31536000 (a year)."
  }
}

variable "cdn_error_ttl_seconds" {
  description = "Seconds that CloudFront keeps an error's placeholder."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.cdn_error_ttl_seconds >= 1 && var.cdn_error_ttl_seconds <= 60 && floor(var.cdn_error_ttl_seconds) == var.cdn_error_ttl_seconds
    error_message = "cdn_error_ttl_seconds must be a whole number from 1 to 60."
  }
}

variable "cdn_aliases" {
  description = "Own domain names of the CDN; they need `cdn_certificate_arn`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.cdn_aliases) == 0 || var.cdn_certificate_arn != null
    error_message = "cdn_aliases needs cdn_certificate_arn: CloudFront serves an own name only with its certificate."
  }

  validation {
    condition     = alltrue([for alias in var.cdn_aliases : can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", alias))])
    error_message = "cdn_aliases must be domain names such as pictures.example.org, in lower case, without scheme, port and path."
  }
}

variable "cdn_certificate_arn" {
  description = "ACM certificate of `cdn_aliases`, in us-east-1."
  type        = string
  default     = null

  validation {
    condition     = var.cdn_certificate_arn == null || can(regex("^arn:[a-z-]+:acm:us-east-1:[0-9]{12}:certificate/[A-Za-z0-9-]+$", var.cdn_certificate_arn))
    error_message = "cdn_certificate_arn must be the ARN of an ACM certificate in us-east-1, where CloudFront looks for it."
  }
}

# Services

variable "fleet" {
  description = "What runs API and worker: `ec2` (Auto Scaling Groups), `ecs` (Fargate), or `none`: a Kubernetes cluster does, and only what it uses is made here."
  type        = string
  default     = "ec2"
  nullable    = false

  validation {
    condition     = contains(["ec2", "ecs", "none"], var.fleet)
    error_message = "fleet must be ec2, ecs or none."
  }
}

variable "kubernetes_namespace" {
  description = "`fleet = \"none\"`: namespace of the service accounts `atelier-api` and `atelier-worker`, which may take the roles of these names."
  type        = string
  default     = "atelier"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.kubernetes_namespace))
    error_message = "kubernetes_namespace must be 1 to 63 characters of a-z, 0-9 and hyphen, and begin and end with a letter or digit."
  }
}

variable "kubernetes_oidc_provider_arn" {
  description = "`fleet = \"none\"`: IAM OIDC provider of the EKS cluster, for IAM roles for service accounts (IRSA)."
  type        = string
  default     = null

  validation {
    condition     = var.kubernetes_oidc_provider_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/[^/]+(/[^/]+)*$", var.kubernetes_oidc_provider_arn))
    error_message = "kubernetes_oidc_provider_arn must be the ARN of an IAM OIDC provider."
  }

  validation {
    condition     = var.kubernetes_oidc_provider_arn == null || var.fleet == "none"
    error_message = "kubernetes_oidc_provider_arn needs fleet = \"none\": another fleet's roles are not a cluster's."
  }
}

variable "kubernetes_cluster_name" {
  description = "`fleet = \"none\"`: name of the EKS cluster whose Pod Identity agent hands out the roles; the other way than `kubernetes_oidc_provider_arn`."
  type        = string
  default     = null

  validation {
    condition     = var.kubernetes_cluster_name == null || can(regex("^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$", var.kubernetes_cluster_name))
    error_message = "kubernetes_cluster_name must be 1 to 100 characters of A-Z, a-z, 0-9, hyphen and underscore."
  }

  validation {
    condition     = var.kubernetes_cluster_name == null || var.fleet == "none"
    error_message = "kubernetes_cluster_name needs fleet = \"none\": another fleet's roles are not a cluster's."
  }

  validation {
    condition     = var.fleet != "none" || (var.kubernetes_cluster_name == null) != (var.kubernetes_oidc_provider_arn == null)
    error_message = "fleet = \"none\" needs either kubernetes_oidc_provider_arn (IRSA) or kubernetes_cluster_name (Pod Identity): without, no pod could take a role."
  }
}

variable "image_tag" {
  description = "Tag of the `atelier-api` and `atelier-worker` images in this installation's repositories."
  type        = string
  default     = "0.1.0"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag))
    error_message = "image_tag must be 1 to 128 characters of A-Z, a-z, 0-9, underscore, period and hyphen."
  }
}

variable "api_image" {
  description = "Image of the API from elsewhere, instead of this installation's repository."
  type        = string
  default     = null

  validation {
    condition     = var.api_image == null || can(regex("^[a-z0-9][A-Za-z0-9._:/@-]*$", var.api_image))
    error_message = "api_image must be the name of an image such as registry.example.org/atelier:1.0.0, or null."
  }
}

variable "worker_image" {
  description = "Image of the worker from elsewhere, instead of this installation's repository."
  type        = string
  default     = null

  validation {
    condition     = var.worker_image == null || can(regex("^[a-z0-9][A-Za-z0-9._:/@-]*$", var.worker_image))
    error_message = "worker_image must be the name of an image such as registry.example.org/atelier:1.0.0, or null."
  }
}

variable "operator_image" {
  description = "Image of the operator's task from elsewhere, instead of this installation's repository."
  type        = string
  default     = null

  validation {
    condition     = var.operator_image == null || can(regex("^[a-z0-9][A-Za-z0-9._:/@-]*$", var.operator_image))
    error_message = "operator_image must be the name of an image such as registry.example.org/atelier:1.0.0, or null."
  }
}

variable "import_bucket" {
  description = "Bucket of the portal's old pictures, which the operator's task may read while they are brought over (`atelier import --from-bucket`)."
  type        = string
  default     = null

  validation {
    condition     = var.import_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.import_bucket))
    error_message = "import_bucket must be a bucket's name."
  }
}

variable "smoke_api_key_secret_arn" {
  description = "Secrets Manager secret in `aws_region` whose value is the API key of the smoke test, where the API wants one."
  type        = string
  default     = null

  validation {
    condition     = var.smoke_api_key_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:${var.aws_region}:[0-9]{12}:secret:.+$", var.smoke_api_key_secret_arn))
    error_message = "smoke_api_key_secret_arn must be the ARN of a Secrets Manager secret in aws_region."
  }
}

variable "collector_image" {
  description = "Image of the ADOT collector beside each service."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][A-Za-z0-9._:/@-]*$", var.collector_image))
    error_message = "collector_image must be the name of an image such as registry.example.org/collector:1.0.0."
  }
}

variable "picture_public_keys" {
  description = "Public keys (PEM, RSA, 2048 bits) that check the addresses of pictures, the one that signs first; more while keys are rotated. Empty: whoever knows an address may see the picture."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    # A public RSA key of 2048 bits has 294 bytes, so 392 characters, as a SubjectPublicKeyInfo.
    condition     = alltrue([for key in var.picture_public_keys : can(regex("^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+\n-----END PUBLIC KEY-----$", trimspace(key))) && length(replace(replace(trimspace(key), "/-----(BEGIN|END) PUBLIC KEY-----/", ""), "\n", "")) == 392])
    error_message = "picture_public_keys must be public RSA keys of 2048 bits as PEM (openssl rsa -pubout), the only ones that CloudFront takes from us."
  }

  validation {
    condition     = length(var.picture_public_keys) <= 5 && length(distinct([for key in var.picture_public_keys : trimspace(key)])) == length(var.picture_public_keys)
    error_message = "picture_public_keys must be at most 5 different keys, as many as a key group takes."
  }
}

variable "guardrail_id" {
  description = "Id or ARN of a guardrail of Bedrock in `bedrock_region` that sees every prompt before a model does; needs `guardrail_version`."
  type        = string
  default     = null

  validation {
    condition     = var.guardrail_id == null || can(regex("^([a-z0-9]+|arn:[a-z-]+:bedrock:${var.bedrock_region}:[0-9]{12}:guardrail/[a-z0-9]+)$", var.guardrail_id))
    error_message = "guardrail_id must be the id of a guardrail (a-z, 0-9), or its ARN in bedrock_region, where the workers apply it."
  }

  validation {
    condition     = (var.guardrail_id == null) == (var.guardrail_version == null)
    error_message = "guardrail_id and guardrail_version go together."
  }
}

variable "guardrail_version" {
  description = "Version of `guardrail_id`: a number, or `DRAFT`."
  type        = string
  default     = null

  validation {
    condition     = var.guardrail_version == null || can(regex("^([1-9][0-9]{0,7}|DRAFT)$", var.guardrail_version))
    error_message = "guardrail_version must be a number from 1 to 99999999, or DRAFT."
  }
}

variable "store_url_secret_arn" {
  description = "Secrets Manager secret in `aws_region` whose value is `STORE_URL` (`mongodb+srv://...`). `null` makes an empty one, to be filled by hand."
  type        = string
  default     = null

  validation {
    condition     = var.store_url_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:${var.aws_region}:[0-9]{12}:secret:.+$", var.store_url_secret_arn))
    error_message = "store_url_secret_arn must be the ARN of a Secrets Manager secret in aws_region, where the services look for it."
  }
}

variable "store_url_key_arn" {
  description = "KMS key of `store_url_secret_arn`, where that secret has one of yours; `null` where it has AWS's own."
  type        = string
  default     = null

  validation {
    condition     = var.store_url_key_arn == null || can(regex("^arn:[a-z-]+:kms:${var.aws_region}:[0-9]{12}:key/[A-Za-z0-9-]+$", var.store_url_key_arn))
    error_message = "store_url_key_arn must be the ARN of a KMS key (not of an alias) in aws_region, where its secret is."
  }

  validation {
    condition     = var.store_url_key_arn == null || var.store_url_secret_arn != null
    error_message = "store_url_key_arn needs store_url_secret_arn: a secret made here is under a key made here."
  }
}

variable "bedrock_models" {
  description = "Text-to-image models, the preferred first: ids of models or inference profiles (us.…), or ARNs of either. The roles may invoke these and no other."
  type        = list(string)
  default = [
    "stability.stable-image-core-v1:1",
    "stability.sd3-5-large-v1:0",
    "stability.stable-image-ultra-v1:1",
  ]
  nullable = false

  validation {
    condition     = length(var.bedrock_models) > 0 && alltrue([for model in var.bedrock_models : can(regex("^(arn:[a-z-]+:bedrock:[a-z0-9-]*:[0-9]*:(inference-profile|foundation-model)/)?([a-z-]+\\.)?(amazon\\.(nova-canvas|titan-image)-|stability\\.)[a-z0-9.:-]+$", model))])
    error_message = "bedrock_models must name at least one model, each amazon.nova-canvas-, amazon.titan-image- or stability., without wildcards: a worker starts with no other."
  }

  validation {
    condition     = length(distinct(var.bedrock_models)) == length(var.bedrock_models)
    error_message = "bedrock_models must name no model twice: a worker refuses that."
  }

  validation {
    condition     = alltrue([for model in var.bedrock_models : !can(regex("stability\\..*(inpaint|outpaint|erase|search-|recolor|replace|background|control-|style-|upscale|image-to-image|relight|stable-diffusion-xl)", model))])
    error_message = "bedrock_models must name text-to-image models: stability's editing models need an input picture, and stable-diffusion-xl is retired."
  }

  validation {
    condition     = alltrue([for model in var.bedrock_models : can(regex("(stability\\.stable-image-(core|ultra)-|stability\\.sd3-5-large-v|stability\\.sd3-large-v|amazon\\.nova-canvas-|amazon\\.titan-image-generator-v[12])", model)) || anytrue([for name in keys(var.bedrock_prices) : model == name || endswith(model, ".${name}") || endswith(model, "/${name}")])])
    error_message = "bedrock_models names a model without a known price: give it one in bedrock_prices, since no budget could hold otherwise."
  }
}

variable "bedrock_prices" {
  description = "Prices in US dollars a picture, by model id, in place of the list prices. A model without a known price needs one."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for price in values(var.bedrock_prices) : price > 0 && price <= 100])
    error_message = "bedrock_prices must be above 0 and at most 100 US dollars a picture."
  }

  validation {
    condition     = alltrue([for name in keys(var.bedrock_prices) : can(regex("^[A-Za-z0-9._:/-]+$", name))])
    error_message = "bedrock_prices must have ids of models as keys."
  }
}

variable "model_spill" {
  description = "Whether a worker calls the next of bedrock_models where a model is throttled or overloaded, rather than wait for it."
  type        = bool
  default     = true
  nullable    = false
}

variable "claim_seconds" {
  description = "`CLAIM_SECONDS`: a worker's lease on a job, and the queue's visibility timeout."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.claim_seconds >= 10 && var.claim_seconds <= 3600 && floor(var.claim_seconds) == var.claim_seconds
    error_message = "claim_seconds must be a whole number from 10 to 3600: no service starts with a longer claim."
  }
}

variable "grace_seconds" {
  description = "`GRACE_SECONDS`: what a worker may use to finish after it was told to stop. Spot gives two minutes' notice."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = var.grace_seconds >= 1 && var.grace_seconds <= 90 && floor(var.grace_seconds) == var.grace_seconds
    error_message = "grace_seconds must be a whole number from 1 to 90, so that a drain fits into spot's notice of two minutes."
  }
}

variable "max_attempts" {
  description = "`MAX_ATTEMPTS`: tries of a job."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_attempts >= 1 && var.max_attempts <= 100 && floor(var.max_attempts) == var.max_attempts
    error_message = "max_attempts must be a whole number from 1 to 100: no service starts with more."
  }
}

variable "give_up_seconds" {
  description = "`GIVE_UP_SECONDS`: no assignment is pending longer."
  type        = number
  default     = 21600
  nullable    = false

  validation {
    condition     = var.give_up_seconds >= 60 && var.give_up_seconds <= 345600 && floor(var.give_up_seconds) == var.give_up_seconds
    error_message = "give_up_seconds must be a whole number from 60 to 345600, the queue's retention of four days."
  }
}

variable "create_limit_per_minute" {
  description = "`CREATE_LIMIT_PER_MINUTE`: assignments a minute and subject; 0 means no limit."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.create_limit_per_minute >= 0 && var.create_limit_per_minute <= 1000000 && floor(var.create_limit_per_minute) == var.create_limit_per_minute
    error_message = "create_limit_per_minute must be a whole number from 0 to 1000000: the API does not start with more."
  }
}

variable "budget_usd_per_day" {
  description = "`BUDGET_USD_PER_DAY`: US dollars that all calls to models may cost a day (UTC); 0 means no limit."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.budget_usd_per_day >= 0 && var.budget_usd_per_day <= 1000000
    error_message = "budget_usd_per_day must be a number from 0 to 1000000: no service starts with more."
  }
}

variable "budget_usd_per_teacher_per_day" {
  description = "`BUDGET_USD_PER_TEACHER_PER_DAY`: US dollars that the calls to models for one teacher may cost a day (UTC); 0 means no limit."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.budget_usd_per_teacher_per_day >= 0 && var.budget_usd_per_teacher_per_day <= 1000000
    error_message = "budget_usd_per_teacher_per_day must be a number from 0 to 1000000: no service starts with more."
  }
}

variable "reuse" {
  description = "`REUSE`: whose pictures of the same prompt are used again: `teacher`, `all` or `off`."
  type        = string
  default     = "teacher"
  nullable    = false

  validation {
    condition     = contains(["teacher", "all", "off"], var.reuse)
    error_message = "reuse must be teacher, all or off."
  }
}

variable "webp_quality" {
  description = "`WEBP_QUALITY` of the pictures."
  type        = number
  default     = 85
  nullable    = false

  validation {
    condition     = var.webp_quality >= 1 && var.webp_quality <= 100 && floor(var.webp_quality) == var.webp_quality
    error_message = "webp_quality must be a whole number from 1 to 100."
  }
}

variable "auth_issuer" {
  description = "`AUTH_ISSUER`: the identity provider (OpenID Connect) that says who calls. `null` lets everybody who reaches the API do everything. docs/IDENTITY.md has each provider's steps."
  type        = string
  default     = null

  validation {
    condition     = var.auth_issuer == null || can(regex("^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[^\\s?#]*)?$", var.auth_issuer))
    error_message = "auth_issuer must be an address such as https://id.example.org/realms/school."
  }
}

variable "auth_client_id" {
  description = "`AUTH_CLIENT_ID`: what the identity provider calls Atelier."
  type        = string
  default     = null

  validation {
    condition     = (var.auth_client_id == null) == (var.auth_issuer == null)
    error_message = "auth_client_id and auth_issuer need each other."
  }
}

variable "auth_client_is_public" {
  description = "Whether the identity provider gave Atelier no secret. Otherwise a secret is made, to be filled by hand with `AUTH_CLIENT_SECRET`."
  type        = bool
  default     = false
  nullable    = false
}

variable "auth_environment" {
  description = "More of the identity provider's options: `AUTH_AUDIENCE`, `AUTH_SCOPES`, `AUTH_ROLES_CLAIM`, `AUTH_ROLES`, `AUTH_TEACHER_CLAIM`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.auth_environment) : contains(["AUTH_AUDIENCE", "AUTH_SCOPES", "AUTH_ROLES_CLAIM", "AUTH_ROLES", "AUTH_TEACHER_CLAIM"], name)])
    error_message = "auth_environment may hold AUTH_AUDIENCE, AUTH_SCOPES, AUTH_ROLES_CLAIM, AUTH_ROLES and AUTH_TEACHER_CLAIM; secrets go to Secrets Manager."
  }
}

variable "public_url" {
  description = "`PUBLIC_URL`: the address that people open, such as `https://atelier.example.org`. `null` is `api_domain`, where that is given."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https://[A-Za-z0-9.-]+(:[0-9]+)?/?$", var.public_url))
    error_message = "public_url must be an address such as https://atelier.example.org."
  }

  validation {
    condition     = var.public_url != null || var.auth_issuer == null || var.api_cdn || (var.api_domain != null && local.api_has_tls)
    error_message = "public_url must be set with auth_issuer, unless api_domain has TLS (api_certificate_arn or api_zone_id) or api_cdn is true: the provider sends people back to it."
  }
}

variable "api_environment" {
  description = "More of the API's environment, or `AUTH = \"off\"`, which counts only without `auth_issuer`."
  type        = map(string)
  default     = { AUTH = "off" }
  nullable    = false

  validation {
    condition     = lookup(var.api_environment, "AUTH", "off") == "off"
    error_message = "api_environment's AUTH must be off or absent: the API does not start with another."
  }

  validation {
    condition     = alltrue([for name in keys(var.api_environment) : !startswith(name, "AUTH_") && name != "SESSION_KEYS"])
    error_message = "api_environment may hold no AUTH_* and no SESSION_KEYS: they go by auth_issuer, auth_client_id, auth_environment and Secrets Manager."
  }
}

variable "worker_environment" {
  description = "More of the worker's environment, for example `AVIF`."
  type        = map(string)
  default     = {}
  nullable    = false
}

# Capacity

variable "worker_min" {
  description = "Least number of workers, 0 or more. `null` takes scaling.json's."
  type        = number
  default     = null

  validation {
    condition     = var.worker_min == null || try(var.worker_min >= 0 && floor(var.worker_min) == var.worker_min, false)
    error_message = "worker_min must be a whole number of at least 0."
  }
}

variable "model_quota_per_minute" {
  description = "Pictures a minute that the account's Bedrock quota allows; the largest number of workers follows from it. `null` takes scaling.json's."
  type        = number
  default     = null

  validation {
    condition     = var.model_quota_per_minute == null || try(var.model_quota_per_minute >= 1 && floor(var.model_quota_per_minute) == var.model_quota_per_minute, false)
    error_message = "model_quota_per_minute must be a whole number of at least 1."
  }
}

variable "worker_spot_percent" {
  description = "Share of the workers above the first that run on spot capacity, in percent. An interruption gives their jobs back."
  type        = number
  default     = 80
  nullable    = false

  validation {
    condition     = var.worker_spot_percent >= 0 && var.worker_spot_percent <= 100 && floor(var.worker_spot_percent) == var.worker_spot_percent
    error_message = "worker_spot_percent must be a whole number from 0 to 100."
  }
}

variable "api_spot_percent" {
  description = "Share of the API above its least number that runs on spot capacity, in percent."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.api_spot_percent >= 0 && var.api_spot_percent <= 100 && floor(var.api_spot_percent) == var.api_spot_percent
    error_message = "api_spot_percent must be a whole number from 0 to 100."
  }
}

variable "api_instance_types" {
  description = "`ec2`: the API's instance types, the preferred first, all of one architecture (that of the images and of `ami_id`)."
  type        = list(string)
  default     = ["t3.small", "t3a.small"]
  nullable    = false

  validation {
    condition     = length(var.api_instance_types) > 0 && alltrue([for type in var.api_instance_types : can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", type))])
    error_message = "api_instance_types must name at least one instance type, each such as c6i.large."
  }
}

variable "worker_instance_types" {
  description = "`ec2`: the worker's instance types, the preferred first; several make spot capacity likelier."
  type        = list(string)
  default     = ["c6i.large", "c6a.large", "m6i.large", "m6a.large", "c5.large"]
  nullable    = false

  validation {
    condition     = length(var.worker_instance_types) > 0 && alltrue([for type in var.worker_instance_types : can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", type))])
    error_message = "worker_instance_types must name at least one instance type, each such as c6i.large."
  }
}

variable "ami_id" {
  description = "`ec2`: image of the instances. `null` takes the newest Amazon Linux 2023 (x86_64); one with Docker baked in boots faster."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-[0-9a-f]+$", var.ami_id))
    error_message = "ami_id must look like ami-0123456789abcdef0."
  }
}

locals {
  # Fargate's CPU units, and the memory in MiB that it gives to each: AWS, "Amazon ECS task
  # definition parameters for Fargate", task size.
  fargate_memory = {
    "256"   = [512, 1024, 2048]
    "512"   = range(1024, 4096 + 1, 1024)
    "1024"  = range(2048, 8192 + 1, 1024)
    "2048"  = range(4096, 16384 + 1, 1024)
    "4096"  = range(8192, 30720 + 1, 1024)
    "8192"  = range(16384, 61440 + 1, 4096)
    "16384" = range(32768, 122880 + 1, 8192)
  }
}

variable "api_task_size" {
  description = "`ecs`: the API task's CPU units (1024 = one vCPU) and memory in MiB, collector included."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 512, memory = 1024 }
  nullable    = false

  validation {
    condition     = contains(lookup(local.fargate_memory, tostring(var.api_task_size.cpu), []), var.api_task_size.memory)
    error_message = "api_task_size must be a pair that Fargate has: cpu 256 with memory 512, 1024 or 2048; 512 with 1024 to 4096; 1024 with 2048 to 8192; 2048 with 4096 to 16384; 4096 with 8192 to 30720, all by 1024; 8192 with 16384 to 61440 by 4096; 16384 with 32768 to 122880 by 8192."
  }
}

variable "worker_task_size" {
  description = "`ecs`: the worker task's CPU units (1024 = one vCPU) and memory in MiB, collector included."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 1024, memory = 2048 }
  nullable    = false

  validation {
    condition     = contains(lookup(local.fargate_memory, tostring(var.worker_task_size.cpu), []), var.worker_task_size.memory)
    error_message = "worker_task_size must be a pair that Fargate has: cpu 256 with memory 512, 1024 or 2048; 512 with 1024 to 4096; 1024 with 2048 to 8192; 2048 with 4096 to 16384; 4096 with 8192 to 30720, all by 1024; 8192 with 16384 to 61440 by 4096; 16384 with 32768 to 122880 by 8192."
  }
}

# Network

variable "vpc_cidr" {
  description = "Addresses of the VPC, a /16 to /20."
  type        = string
  default     = "10.40.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 20, false)
    error_message = "vpc_cidr must be an IPv4 range between /16 and /20, such as 10.40.0.0/16."
  }

  validation {
    condition     = !can(cidrnetmask(var.vpc_cidr)) || try(cidrsubnet(var.vpc_cidr, 0, 0) == var.vpc_cidr, false)
    error_message = "vpc_cidr must begin at its range's first address: 10.40.0.0/16, not 10.40.7.0/16."
  }
}

variable "zone_count" {
  description = "Availability zones in use."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.zone_count >= 2 && var.zone_count <= 4 && floor(var.zone_count) == var.zone_count
    error_message = "zone_count must be 2, 3 or 4: a load balancer needs two zones."
  }
}

variable "nat_gateway_per_zone" {
  description = "A NAT gateway in each zone, so that one zone's loss takes no other's way out; `false` has one for all, which costs less."
  type        = bool
  default     = false
  nullable    = false
}

variable "flow_logs" {
  description = "Log the VPC's flows."
  type        = bool
  default     = true
  nullable    = false
}

variable "store_cidrs" {
  description = "Where the MongoDB of `STORE_URL` lives; the services may reach its ports (27015 to 27019) there and nowhere else."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.store_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "store_cidrs must be IPv4 ranges such as 10.0.0.0/8, each beginning at its first address."
  }
}

variable "api_certificate_arn" {
  description = "ACM certificate of the API's own name, in `aws_region`. `null` serves plain HTTP, to narrow `api_ingress_cidrs` only."
  type        = string
  default     = null

  validation {
    condition     = var.api_certificate_arn == null || can(regex("^arn:[a-z-]+:acm:${var.aws_region}:[0-9]{12}:certificate/[A-Za-z0-9-]+$", var.api_certificate_arn))
    error_message = "api_certificate_arn must be the ARN of an ACM certificate in aws_region, where the load balancer looks for it."
  }
}

variable "api_domain" {
  description = "The API's own name, such as `pictures.example.org`. Clients and the smoke test use it; a certificate needs it."
  type        = string
  default     = null

  validation {
    condition     = var.api_domain == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", var.api_domain))
    error_message = "api_domain must be a domain name such as pictures.example.org, in lower case, without scheme, port and path."
  }
}

variable "api_zone_id" {
  description = "Route 53 zone of `api_domain`: its record is made there, and its certificate where `api_certificate_arn` names none."
  type        = string
  default     = null

  validation {
    condition     = var.api_zone_id == null || can(regex("^Z[A-Z0-9]{1,31}$", var.api_zone_id))
    error_message = "api_zone_id must be the id of a Route 53 zone such as Z0123456789ABCDEFGHIJ."
  }

  validation {
    condition     = var.api_zone_id == null || var.api_domain != null
    error_message = "api_zone_id needs api_domain, the name that is put into the zone."
  }
}

locals {
  api_has_tls = var.api_certificate_arn != null || var.api_zone_id != null
}

variable "api_internal" {
  description = "Put the API's load balancer into the private subnets, without public addresses: for callers of this VPC and of networks that are joined to it."
  type        = bool
  default     = false
  nullable    = false
}

variable "api_cdn" {
  description = "Put CloudFront before the API, which then is open to everybody (`auth_issuer` says who may do what). The load balancer gets no public address and is reached by CloudFront alone, by a VPC origin."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.api_cdn || var.auth_issuer != null
    error_message = "api_cdn needs auth_issuer: everybody could spend the model's budget."
  }

  validation {
    condition     = !var.api_cdn || var.fleet != "none"
    error_message = "api_cdn needs a fleet: with fleet = \"none\" the cluster's ingress is what is called."
  }
}

variable "api_cdn_certificate_arn" {
  description = "ACM certificate of `api_domain` in us-east-1, which CloudFront shows with `api_cdn`; `null` makes it where `api_zone_id` is given."
  type        = string
  default     = null

  validation {
    condition     = var.api_cdn_certificate_arn == null || can(regex("^arn:[a-z-]+:acm:us-east-1:[0-9]{12}:certificate/[A-Za-z0-9-]+$", var.api_cdn_certificate_arn))
    error_message = "api_cdn_certificate_arn must be the ARN of an ACM certificate in us-east-1: CloudFront takes no other."
  }

  validation {
    condition     = var.api_cdn_certificate_arn == null || (var.api_cdn && var.api_domain != null)
    error_message = "api_cdn_certificate_arn needs api_cdn and api_domain."
  }

  validation {
    condition     = var.api_cdn_certificate_arn != null || !var.api_cdn || var.api_domain == null || var.api_zone_id != null
    error_message = "api_cdn_certificate_arn (or api_zone_id, which makes one) must be given with api_cdn and api_domain: CloudFront takes certificates of us-east-1 only."
  }
}

variable "api_ingress_cidrs" {
  description = "Who may call the API's load balancer. Empty means nobody yet."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.api_ingress_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "api_ingress_cidrs must be IPv4 ranges such as 203.0.113.7/32, each beginning at its first address."
  }

  validation {
    # Two halves are the whole: what is wider than the largest network that anybody owns is open.
    condition     = alltrue([for cidr in var.api_ingress_cidrs : try(tonumber(split("/", cidr)[1]) >= 8, true)]) || (local.api_has_tls && var.auth_issuer != null)
    error_message = "api_ingress_cidrs may hold 0.0.0.0/0, or another range wider than a /8, only with api_certificate_arn (or api_zone_id) and auth_issuer: everybody could read the traffic and spend the model's budget."
  }
}

variable "waf_requests_per_5_minutes" {
  description = "Requests that one address may make in five minutes before the WAF blocks it. `null` means 10000 where everybody may call (a range wider than a /8), else no WAF."
  type        = number
  default     = null

  validation {
    condition     = var.waf_requests_per_5_minutes == null || try(var.waf_requests_per_5_minutes >= 10 && floor(var.waf_requests_per_5_minutes) == var.waf_requests_per_5_minutes, false)
    error_message = "waf_requests_per_5_minutes must be a whole number of at least 10, AWS's least rate."
  }
}

# Alarms and logs

variable "alarm_topic_arn" {
  description = "SNS topic in `aws_region` that the alarms tell; `null` makes one."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || can(regex("^arn:[a-z-]+:sns:${var.aws_region}:[0-9]{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of an SNS topic in aws_region: an alarm tells a topic of its own region only."
  }
}

variable "alarm_topic_arn_us_east_1" {
  description = "SNS topic in us-east-1 that CloudFront's alarms tell; `null` makes one."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn_us_east_1 == null || can(regex("^arn:[a-z-]+:sns:us-east-1:[0-9]{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn_us_east_1))
    error_message = "alarm_topic_arn_us_east_1 must be the ARN of an SNS topic in us-east-1, where CloudFront's metrics are."
  }
}

variable "alarm_emails" {
  description = "Addresses that the topics made here write to, after each has confirmed."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+$", address))])
    error_message = "alarm_emails must be e-mail addresses."
  }
}

variable "oldest_job_limit_seconds" {
  description = "Age of the oldest waiting job that rings the alarm."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.oldest_job_limit_seconds >= 60 && floor(var.oldest_job_limit_seconds) == var.oldest_job_limit_seconds
    error_message = "oldest_job_limit_seconds must be a whole number of at least 60."
  }
}

variable "model_daily_budget_usd" {
  description = "Spend on the models a day that rings the alarm, in USD."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.model_daily_budget_usd > 0
    error_message = "model_daily_budget_usd must be greater than 0."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one that CloudWatch Logs knows, such as 30, 90, 365 or 731."
  }
}

# Deployment

variable "github_repository" {
  description = "Repository (`owner/name`) whose workflows may take the deploy role through OIDC; `null` leaves it to the account's own people."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.github_repository))
    error_message = "github_repository must be owner/name."
  }
}

variable "github_environment" {
  description = "The repository's deployment environment; only its jobs, after its approval, get the deploy role."
  type        = string
  default     = "staging"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.github_environment))
    error_message = "github_environment must be a name of letters, digits, underscore and hyphen."
  }
}

variable "github_subject" {
  description = "Subject (`sub`) of the deployment's OIDC token. `null` is `repo:OWNER/NAME:environment:ENVIRONMENT`. Repositories made or renamed since 15 July 2026 have ids in it: `repo:OWNER@ID/NAME@ID:environment:ENVIRONMENT`."
  type        = string
  default     = null

  validation {
    condition     = var.github_subject == null || can(regex("^repo:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+|@[0-9]+/[A-Za-z0-9_.-]+@[0-9]+):environment:[A-Za-z0-9_-]+$", var.github_subject))
    error_message = "github_subject must be repo:OWNER/NAME:environment:ENVIRONMENT or repo:OWNER@ID/NAME@ID:environment:ENVIRONMENT, without wildcards."
  }

  validation {
    condition     = var.github_subject == null || var.github_repository != null
    error_message = "github_subject needs github_repository."
  }

  validation {
    condition     = var.github_subject == null || var.github_repository == null || replace(coalesce(var.github_subject, "none"), "/@[0-9]+/", "") == "repo:${coalesce(var.github_repository, "none")}:environment:${var.github_environment}"
    error_message = "github_subject must name github_repository and github_environment."
  }
}

variable "github_oidc_provider_arn" {
  description = "The account's OIDC provider for GitHub, where it has one already; `null` makes it (an account can hold one)."
  type        = string
  default     = null

  validation {
    condition     = var.github_oidc_provider_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/", var.github_oidc_provider_arn))
    error_message = "github_oidc_provider_arn must be the ARN of an IAM OIDC provider."
  }
}

variable "terraform_state_bucket" {
  description = "Bucket of Terraform's state, which the deploy role needs for its plans; `null` where the state is elsewhere."
  type        = string
  default     = null
}
