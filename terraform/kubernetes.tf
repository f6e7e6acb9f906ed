# fleet = "none": pods of a cluster take the roles by their service accounts, either through the
# cluster's OIDC provider (IRSA) or through EKS Pod Identity. No key exists in either case.

locals {
  # namespace/service account of each role.
  service_accounts = toset(["${var.kubernetes_namespace}/atelier-api", "${var.kubernetes_namespace}/atelier-worker", "keda/keda-operator"])

  kubernetes_issuer = try(regex("oidc-provider/(.+)$", var.kubernetes_oidc_provider_arn)[0], "none")

  irsa_trust = {
    for account in local.service_accounts : account => {
      Effect    = "Allow"
      Principal = { Federated = var.kubernetes_oidc_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.kubernetes_issuer}:aud" = "sts.amazonaws.com"
          "${local.kubernetes_issuer}:sub" = "system:serviceaccount:${replace(account, "/", ":")}"
        }
      }
    }
  }

  pod_identity_trust = {
    for account in local.service_accounts : account => {
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = {
          "aws:SourceAccount"                         = local.account_id
          "aws:RequestTag/eks-cluster-name"           = coalesce(var.kubernetes_cluster_name, "none")
          "aws:RequestTag/kubernetes-namespace"       = split("/", account)[0]
          "aws:RequestTag/kubernetes-service-account" = split("/", account)[1]
        }
      }
    }
  }

  # As values of one type, whichever it is.
  pod_trust = { for account in local.service_accounts : account => jsondecode(var.kubernetes_oidc_provider_arn == null ? jsonencode(local.pod_identity_trust[account]) : jsonencode(local.irsa_trust[account])) }
}

# KEDA's operator asks the queue how long it is, and nothing else.

resource "aws_iam_role" "keda" {
  count = local.has_fleet ? 0 : 1

  name               = "${var.name}-keda"
  description        = "KEDA's operator, which scales the workers by the queue"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [local.pod_trust["keda/keda-operator"]] })
}

resource "aws_iam_role_policy" "keda" {
  count = local.has_fleet ? 0 : 1

  name = "queue"
  role = aws_iam_role.keda[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Queue"
      Effect   = "Allow"
      Action   = "sqs:GetQueueAttributes"
      Resource = aws_sqs_queue.jobs.arn
    }]
  })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = {
    for account, role in { "${var.kubernetes_namespace}/atelier-api" = aws_iam_role.api.arn, "${var.kubernetes_namespace}/atelier-worker" = aws_iam_role.worker.arn, "keda/keda-operator" = one(aws_iam_role.keda[*].arn) } :
    account => role if var.kubernetes_cluster_name != null
  }

  cluster_name    = var.kubernetes_cluster_name
  namespace       = split("/", each.key)[0]
  service_account = split("/", each.key)[1]
  role_arn        = each.value
}
