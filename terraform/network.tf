# A VPC of its own: the load balancer in public subnets, everything else in private ones, which
# reach AWS by endpoints and the rest (MongoDB, models of another region) by NAT.

resource "aws_vpc" "this" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Nothing uses the default group; emptied, nothing can by accident.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

locals {
  zones = slice(data.aws_availability_zones.available.names, 0, var.zone_count)
  # Without a fleet nothing is in the VPC, and what of it costs by the hour is left out.
  has_fleet = var.fleet != "none"
  nat_zones = slice(local.zones, 0, !local.has_fleet ? 0 : var.nat_gateway_per_zone ? var.zone_count : 1)
}

resource "aws_subnet" "public" {
  count = var.zone_count

  vpc_id                  = aws_vpc.this.id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(var.vpc_cidr, 4, count.index)
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-public-${local.zones[count.index]}" }
}

resource "aws_subnet" "private" {
  count = var.zone_count

  vpc_id            = aws_vpc.this.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, count.index + 8)

  tags = { Name = "${var.name}-private-${local.zones[count.index]}" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  count = var.zone_count

  route_table_id = aws_route_table.public.id
  subnet_id      = aws_subnet.public[count.index].id
}

resource "aws_eip" "nat" {
  #checkov:skip=CKV2_AWS_19:The address belongs to a NAT gateway.
  count = length(local.nat_zones)

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${local.nat_zones[count.index]}" }
}

resource "aws_nat_gateway" "this" {
  count = length(local.nat_zones)

  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id

  tags = { Name = "${var.name}-${local.nat_zones[count.index]}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "private" {
  count = var.zone_count

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${local.zones[count.index]}" }
}

resource "aws_route" "nat" {
  count = local.has_fleet ? var.zone_count : 0

  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[min(count.index, length(local.nat_zones) - 1)].id
}

resource "aws_route_table_association" "private" {
  count = var.zone_count

  route_table_id = aws_route_table.private[count.index].id
  subnet_id      = aws_subnet.private[count.index].id
}

# Endpoints

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${var.aws_region}.s3"
  route_table_ids   = aws_route_table.private[*].id

  # Through here go the pictures, the layers of ECR's images and Amazon Linux's packages; no
  # other bucket, so that nothing can be carried out to somebody else's.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Pictures"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.images.arn, "${aws_s3_bucket.images.arn}/*"]
      },
      {
        Sid       = "ImagesAndPackages"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:GetObject"
        Resource = [
          "arn:${local.partition}:s3:::prod-${var.aws_region}-starport-layer-bucket/*",
          "arn:${local.partition}:s3:::al2023-repos-${var.aws_region}-*/*",
        ]
      },
    ]
  })

  tags = { Name = "${var.name}-s3" }
}

locals {
  # Bedrock has an endpoint in its own region only; elsewhere the model is reached through NAT.
  interface_endpoints = toset(local.has_fleet ? concat(
    ["sqs", "logs", "ecr.api", "ecr.dkr", "secretsmanager"],
    var.fleet == "ec2" ? ["autoscaling"] : [],
    var.bedrock_region == var.aws_region ? ["bedrock-runtime"] : [],
  ) : [])
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints

  vpc_id              = aws_vpc.this.id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${var.aws_region}.${each.key}"
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true

  tags = { Name = "${var.name}-${each.key}" }
}

# Security groups

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "The API's load balancer"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "api" {
  #checkov:skip=CKV2_AWS_5:The fleet modules attach it.
  name        = "${var.name}-api"
  description = "The API, reached by its load balancer only"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "worker" {
  #checkov:skip=CKV2_AWS_5:The fleet modules attach it.
  name        = "${var.name}-worker"
  description = "The workers, reached by nobody"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "VPC endpoints, reached by the services"
  vpc_id      = aws_vpc.this.id
}

locals {
  api_port    = 8080
  worker_port = 8081

  public_ports = local.api_has_tls ? [80, 443] : [80]
  callers = {
    for pair in setproduct(var.api_ingress_cidrs, local.public_ports) :
    "${pair[0]}-${pair[1]}" => { cidr = pair[0], port = pair[1] }
  }
  service_groups = { api = aws_security_group.api.id, worker = aws_security_group.worker.id, operator = aws_security_group.operator.id }
  store_routes = {
    for pair in setproduct(keys(local.service_groups), var.store_cidrs) :
    "${pair[0]}-${pair[1]}" => { group = local.service_groups[pair[0]], cidr = pair[1] }
  }
}

resource "aws_vpc_security_group_ingress_rule" "callers" {
  #checkov:skip=CKV_AWS_260:Port 80 is open to api_ingress_cidrs only, and redirects where there is a certificate.
  for_each = local.callers

  security_group_id = aws_security_group.load_balancer.id
  description       = "Callers of the API"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "To the API"
  referenced_security_group_id = aws_security_group.api.id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id            = aws_security_group.api.id
  description                  = "From the load balancer"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = local.service_groups

  security_group_id = each.value
  description       = "AWS, and an identity provider's keys"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "store" {
  for_each = local.store_routes

  security_group_id = each.value.group
  description       = "MongoDB"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = 27015
  to_port           = 27019
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = local.service_groups

  security_group_id            = aws_security_group.endpoints.id
  description                  = "From the services"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

# Flow logs

resource "aws_cloudwatch_log_group" "flows" {
  count = var.flow_logs && local.has_fleet ? 1 : 0

  name              = "/${var.name}/flows"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.logs.arn
}

resource "aws_iam_role" "flows" {
  count = var.flow_logs && local.has_fleet ? 1 : 0

  name        = "${var.name}-flows"
  description = "Writes the VPC's flow logs"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "flows" {
  count = var.flow_logs && local.has_fleet ? 1 : 0

  name = "write-logs"
  role = aws_iam_role.flows[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.flows[0].arn}", "${aws_cloudwatch_log_group.flows[0].arn}:*"]
    }]
  })
}

resource "aws_flow_log" "this" {
  count = var.flow_logs && local.has_fleet ? 1 : 0

  vpc_id          = aws_vpc.this.id
  traffic_type    = "ALL"
  log_destination = aws_cloudwatch_log_group.flows[0].arn
  iam_role_arn    = aws_iam_role.flows[0].arn
}
