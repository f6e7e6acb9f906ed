# Staging: small, throw-away, and the alarms' thresholds of production.
name                = "atelier-staging"
fleet               = "ec2"
deletion_protection = false
log_retention_days  = 365

worker_min              = 0
model_quota_per_minute  = 30
worker_spot_percent     = 100
bucket_quota_gb         = 20
model_daily_budget_usd  = 5
create_limit_per_minute = 60

github_environment = "staging"
