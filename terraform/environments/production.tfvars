# Production: two zones without a shared NAT, nothing deleted by accident, a WAF.
name                = "atelier-production"
fleet               = "ec2"
deletion_protection = true
log_retention_days  = 365

nat_gateway_per_zone       = true
worker_min                 = 1
model_quota_per_minute     = 90
worker_spot_percent        = 80
bucket_quota_gb            = 500
model_daily_budget_usd     = 50
waf_requests_per_5_minutes = 10000

github_environment = "production"
