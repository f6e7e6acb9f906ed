# What AWS would answer, known at plan time, so that policies and addresses can be read.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["us-west-2a", "us-west-2b", "us-west-2c", "us-west-2d"] }
}

mock_data "aws_ssm_parameter" {
  defaults = { insecure_value = "ami-0123456789abcdef0" }
}

mock_data "aws_ec2_managed_prefix_list" {
  defaults = { id = "pl-cloudfront" }
}

mock_resource "aws_cloudfront_vpc_origin" {
  defaults = {
    id  = "vo-api"
    arn = "arn:aws:cloudfront::123456789012:vpcorigin/vo-api"
  }
}

mock_resource "aws_cloudfront_distribution" {
  defaults = {
    id          = "E0EXAMPLE"
    arn         = "arn:aws:cloudfront::123456789012:distribution/E0EXAMPLE"
    domain_name = "d111111abcdef8.cloudfront.net"
  }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:us-west-2:123456789012:notices" }
}

mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:us-west-2:123456789012:key/11111111-2222-3333-4444-555555555555" }
}

mock_resource "aws_lb" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/atelier-api/1111111111111111"
    arn_suffix = "app/atelier-api/1111111111111111"
    dns_name   = "atelier-api-1.us-west-2.elb.amazonaws.com"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/api/2222222222222222"
    arn_suffix = "targetgroup/api/2222222222222222"
  }
}

mock_resource "aws_lb_listener" {
  defaults = { arn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/atelier-api/1111111111111111/3333333333333333" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:us-west-2:123456789012:log-group:/atelier/group" }
}

mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws:iam::123456789012:instance-profile/atelier" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/atelier" }
}

mock_resource "aws_iam_openid_connect_provider" {
  defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
}

mock_resource "aws_wafv2_web_acl" {
  defaults = { arn = "arn:aws:wafv2:us-west-2:123456789012:regional/webacl/atelier-api/4444" }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = { arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:atelier/store-url-AbCdEf" }
}

mock_resource "aws_launch_template" {
  defaults = { latest_version = 1 }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:us-west-2:123456789012:task-definition/atelier:1" }
}

mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:us-west-2:123456789012:cluster/atelier" }
}

mock_resource "aws_cloudfront_origin_access_control" {
  defaults = { id = "E0OAC" }
}

mock_resource "aws_cloudfront_cache_policy" {
  defaults = { id = "cache-policy" }
}

mock_resource "aws_cloudfront_response_headers_policy" {
  defaults = { id = "headers-policy" }
}

mock_resource "aws_vpc" {
  defaults = { id = "vpc-1" }
}

mock_resource "aws_subnet" {
  defaults = { id = "subnet-1" }
}

mock_resource "aws_security_group" {
  defaults = { id = "sg-1" }
}

mock_resource "aws_route_table" {
  defaults = { id = "rtb-1" }
}

mock_resource "aws_autoscaling_policy" {
  defaults = { arn = "arn:aws:autoscaling:us-west-2:123456789012:scalingPolicy:55555555:autoScalingGroupName/atelier-worker:policyName/atelier-worker-wake" }
}

mock_resource "aws_appautoscaling_policy" {
  defaults = { arn = "arn:aws:autoscaling:us-west-2:123456789012:scalingPolicy:66666666:resource/ecs/service/atelier-worker/atelier-worker:policyName/atelier-worker-wake" }
}

mock_resource "aws_cloudfront_function" {
  defaults = { arn = "arn:aws:cloudfront::123456789012:function/atelier-hide-metadata" }
}
