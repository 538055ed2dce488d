"""The actions that policies allow and surfaces ask for.

ECR's action is ``ecr:`` and the operation's name, for all operations but one; three more stand for what the
registry does by itself on someone's behalf (Service Authorization Reference, "Actions defined by Amazon
Elastic Container Registry").
"""

from enum import StrEnum


class Action(StrEnum):
    """An action of ECR, ECR Public, our own service, IAM or STS; the name is the operation's, the value stands in a policy."""

    BATCH_CHECK_LAYER_AVAILABILITY = "ecr:BatchCheckLayerAvailability"
    BATCH_DELETE_IMAGE = "ecr:BatchDeleteImage"
    BATCH_GET_IMAGE = "ecr:BatchGetImage"
    BATCH_GET_REPOSITORY_SCANNING_CONFIGURATION = "ecr:BatchGetRepositoryScanningConfiguration"
    BATCH_IMPORT_UPSTREAM_IMAGE = "ecr:BatchImportUpstreamImage"
    COMPLETE_LAYER_UPLOAD = "ecr:CompleteLayerUpload"
    CREATE_PULL_THROUGH_CACHE_RULE = "ecr:CreatePullThroughCacheRule"
    CREATE_REPOSITORY = "ecr:CreateRepository"
    CREATE_REPOSITORY_CREATION_TEMPLATE = "ecr:CreateRepositoryCreationTemplate"
    DELETE_LIFECYCLE_POLICY = "ecr:DeleteLifecyclePolicy"
    DELETE_PULL_THROUGH_CACHE_RULE = "ecr:DeletePullThroughCacheRule"
    DELETE_REGISTRY_POLICY = "ecr:DeleteRegistryPolicy"
    DELETE_REPOSITORY = "ecr:DeleteRepository"
    DELETE_REPOSITORY_CREATION_TEMPLATE = "ecr:DeleteRepositoryCreationTemplate"
    DELETE_REPOSITORY_POLICY = "ecr:DeleteRepositoryPolicy"
    DELETE_SIGNING_CONFIGURATION = "ecr:DeleteSigningConfiguration"
    DEREGISTER_PULL_TIME_UPDATE_EXCLUSION = "ecr:DeregisterPullTimeUpdateExclusion"
    DESCRIBE_IMAGE_REPLICATION_STATUS = "ecr:DescribeImageReplicationStatus"
    DESCRIBE_IMAGE_SCAN_FINDINGS = "ecr:DescribeImageScanFindings"
    DESCRIBE_IMAGE_SIGNING_STATUS = "ecr:DescribeImageSigningStatus"
    DESCRIBE_IMAGES = "ecr:DescribeImages"
    DESCRIBE_PULL_THROUGH_CACHE_RULES = "ecr:DescribePullThroughCacheRules"
    DESCRIBE_REGISTRY = "ecr:DescribeRegistry"
    DESCRIBE_REPLICATION_BACKFILL_RESULTS = "ecr:DescribeReplicationBackfillResults"
    DESCRIBE_REPOSITORIES = "ecr:DescribeRepositories"
    DESCRIBE_REPOSITORY_CREATION_TEMPLATES = "ecr:DescribeRepositoryCreationTemplates"
    GET_ACCOUNT_SETTING = "ecr:GetAccountSetting"
    GET_AUTHORIZATION_TOKEN = "ecr:GetAuthorizationToken"  # noqa: S105 - the name of an action
    GET_DOWNLOAD_URL_FOR_LAYER = "ecr:GetDownloadUrlForLayer"
    GET_IMAGE_COPY_STATUS = "ecr:GetImageCopyStatus"
    GET_LIFECYCLE_POLICY = "ecr:GetLifecyclePolicy"
    GET_LIFECYCLE_POLICY_PREVIEW = "ecr:GetLifecyclePolicyPreview"
    GET_REGISTRY_POLICY = "ecr:GetRegistryPolicy"
    GET_REGISTRY_SCANNING_CONFIGURATION = "ecr:GetRegistryScanningConfiguration"
    GET_REPOSITORY_POLICY = "ecr:GetRepositoryPolicy"
    GET_SIGNING_CONFIGURATION = "ecr:GetSigningConfiguration"
    INITIATE_LAYER_UPLOAD = "ecr:InitiateLayerUpload"
    LIST_IMAGES = "ecr:ListImages"
    LIST_PULL_TIME_UPDATE_EXCLUSIONS = "ecr:ListPullTimeUpdateExclusions"
    LIST_REPLICATION_BACKFILLS = "ecr:ListReplicationBackfills"
    LIST_TAGS_FOR_RESOURCE = "ecr:ListTagsForResource"
    PUT_ACCOUNT_SETTING = "ecr:PutAccountSetting"
    PUT_IMAGE = "ecr:PutImage"
    PUT_IMAGE_SCANNING_CONFIGURATION = "ecr:PutImageScanningConfiguration"
    PUT_IMAGE_TAG_MUTABILITY = "ecr:PutImageTagMutability"
    PUT_LIFECYCLE_POLICY = "ecr:PutLifecyclePolicy"
    PUT_REGISTRY_POLICY = "ecr:PutRegistryPolicy"
    PUT_REGISTRY_SCANNING_CONFIGURATION = "ecr:PutRegistryScanningConfiguration"
    PUT_REPLICATION_CONFIGURATION = "ecr:PutReplicationConfiguration"
    PUT_SIGNING_CONFIGURATION = "ecr:PutSigningConfiguration"
    REGISTER_PULL_TIME_UPDATE_EXCLUSION = "ecr:RegisterPullTimeUpdateExclusion"
    REPLICATE_IMAGE = "ecr:ReplicateImage"
    SET_REPOSITORY_POLICY = "ecr:SetRepositoryPolicy"
    START_IMAGE_SCAN = "ecr:StartImageScan"
    START_LIFECYCLE_POLICY_PREVIEW = "ecr:StartLifecyclePolicyPreview"
    START_REPLICATION_BACKFILL = "ecr:StartReplicationBackfill"
    STOP_REPLICATION_BACKFILL = "ecr:StopReplicationBackfill"
    TAG_RESOURCE = "ecr:TagResource"
    UNTAG_RESOURCE = "ecr:UntagResource"
    UPDATE_IMAGE_STORAGE_CLASS = "ecr:UpdateImageStorageClass"
    UPDATE_PULL_THROUGH_CACHE_RULE = "ecr:UpdatePullThroughCacheRule"
    UPDATE_REPOSITORY_CREATION_TEMPLATE = "ecr:UpdateRepositoryCreationTemplate"
    UPLOAD_LAYER_PART = "ecr:UploadLayerPart"
    VALIDATE_PULL_THROUGH_CACHE_RULE = "ecr:ValidatePullThroughCacheRule"

    PUBLIC_BATCH_CHECK_LAYER_AVAILABILITY = "ecr-public:BatchCheckLayerAvailability"
    PUBLIC_BATCH_DELETE_IMAGE = "ecr-public:BatchDeleteImage"
    PUBLIC_COMPLETE_LAYER_UPLOAD = "ecr-public:CompleteLayerUpload"
    PUBLIC_CREATE_REPOSITORY = "ecr-public:CreateRepository"
    PUBLIC_DELETE_REPOSITORY = "ecr-public:DeleteRepository"
    PUBLIC_DELETE_REPOSITORY_POLICY = "ecr-public:DeleteRepositoryPolicy"
    PUBLIC_DESCRIBE_IMAGE_TAGS = "ecr-public:DescribeImageTags"
    PUBLIC_DESCRIBE_IMAGES = "ecr-public:DescribeImages"
    PUBLIC_DESCRIBE_REGISTRIES = "ecr-public:DescribeRegistries"
    PUBLIC_DESCRIBE_REPOSITORIES = "ecr-public:DescribeRepositories"
    PUBLIC_GET_AUTHORIZATION_TOKEN = "ecr-public:GetAuthorizationToken"  # noqa: S105 - the name of an action
    PUBLIC_GET_REGISTRY_CATALOG_DATA = "ecr-public:GetRegistryCatalogData"
    PUBLIC_GET_REPOSITORY_CATALOG_DATA = "ecr-public:GetRepositoryCatalogData"
    PUBLIC_GET_REPOSITORY_POLICY = "ecr-public:GetRepositoryPolicy"
    PUBLIC_INITIATE_LAYER_UPLOAD = "ecr-public:InitiateLayerUpload"
    PUBLIC_LIST_TAGS_FOR_RESOURCE = "ecr-public:ListTagsForResource"
    PUBLIC_PUT_IMAGE = "ecr-public:PutImage"
    PUBLIC_PUT_REGISTRY_CATALOG_DATA = "ecr-public:PutRegistryCatalogData"
    PUBLIC_PUT_REPOSITORY_CATALOG_DATA = "ecr-public:PutRepositoryCatalogData"
    PUBLIC_SET_REPOSITORY_POLICY = "ecr-public:SetRepositoryPolicy"
    PUBLIC_TAG_RESOURCE = "ecr-public:TagResource"
    PUBLIC_UNTAG_RESOURCE = "ecr-public:UntagResource"
    PUBLIC_UPLOAD_LAYER_PART = "ecr-public:UploadLayerPart"

    APPLY_LIFECYCLE_POLICY = "careen:ApplyLifecyclePolicy"
    DELETE_DEFAULT_LIFECYCLE_POLICY = "careen:DeleteDefaultLifecyclePolicy"
    DELETE_EXTENSION_RULES = "careen:DeleteExtensionRules"
    DELETE_IMAGE_PINS = "careen:DeleteImagePins"
    DELETE_PROTECTION_RULES = "careen:DeleteProtectionRules"
    DELETE_WEBHOOK = "careen:DeleteWebhook"
    DESCRIBE_DEFAULT_LIFECYCLE_POLICIES = "careen:DescribeDefaultLifecyclePolicies"
    DESCRIBE_DELETIONS = "careen:DescribeDeletions"
    DESCRIBE_LIFECYCLE_RUN = "careen:DescribeLifecycleRun"
    DESCRIBE_PIN_FEEDS = "careen:DescribePinFeeds"
    DESCRIBE_PULLS = "careen:DescribePulls"
    DIFF_LIFECYCLE_POLICY = "careen:DiffLifecyclePolicy"
    EMPTY_TRASH = "careen:EmptyTrash"
    EXPLAIN_ACCESS = "careen:ExplainAccess"
    EXPLAIN_IMAGE = "careen:ExplainImage"
    FORECAST_LIFECYCLE_POLICY = "careen:ForecastLifecyclePolicy"
    GET_EFFECTIVE_LIFECYCLE_POLICY = "careen:GetEffectiveLifecyclePolicy"
    GET_EXTENSION_RULES = "careen:GetExtensionRules"
    GET_METRICS = "careen:GetMetrics"
    GET_PROTECTION_RULES = "careen:GetProtectionRules"
    LINT_LIFECYCLE_POLICY = "careen:LintLifecyclePolicy"
    LIST_DEAD_LETTERS = "careen:ListDeadLetters"
    LIST_EVENTS = "careen:ListEvents"
    LIST_REPOSITORY_SUMMARIES = "careen:ListRepositorySummaries"
    LIST_STORAGE_SAMPLES = "careen:ListStorageSamples"
    LIST_LIFECYCLE_RUNS = "careen:ListLifecycleRuns"
    LIST_TRASH = "careen:ListTrash"
    LIST_IMAGE_PINS = "careen:ListImagePins"
    LIST_WEBHOOKS = "careen:ListWebhooks"
    PUT_DEFAULT_LIFECYCLE_POLICY = "careen:PutDefaultLifecyclePolicy"
    PUT_EXTENSION_RULES = "careen:PutExtensionRules"
    PUT_IMAGE_PINS = "careen:PutImagePins"
    PUT_PROTECTION_RULES = "careen:PutProtectionRules"
    PUT_WEBHOOK = "careen:PutWebhook"
    REDELIVER_DEAD_LETTERS = "careen:RedeliverDeadLetters"
    RESTORE_IMAGES = "careen:RestoreImages"
    REPORT_IMAGES_IN_USE = "careen:ReportImagesInUse"
    RUN_LIFECYCLE_POLICY = "careen:RunLifecyclePolicy"
    SIMULATE_LIFECYCLE_POLICY = "careen:SimulateLifecyclePolicy"
    TEST_WEBHOOK = "careen:TestWebhook"

    ATTACH_ROLE_POLICY = "iam:AttachRolePolicy"
    ATTACH_USER_POLICY = "iam:AttachUserPolicy"
    CHANGE_PASSWORD = "iam:ChangePassword"  # noqa: S105 a name
    CREATE_ACCESS_KEY = "iam:CreateAccessKey"
    CREATE_LOGIN_PROFILE = "iam:CreateLoginProfile"
    CREATE_OPENID_CONNECT_PROVIDER = "iam:CreateOpenIDConnectProvider"
    CREATE_ROLE = "iam:CreateRole"
    CREATE_USER = "iam:CreateUser"
    DELETE_ACCESS_KEY = "iam:DeleteAccessKey"
    DELETE_LOGIN_PROFILE = "iam:DeleteLoginProfile"
    DELETE_OPENID_CONNECT_PROVIDER = "iam:DeleteOpenIDConnectProvider"
    DELETE_ROLE = "iam:DeleteRole"
    DELETE_ROLE_POLICY = "iam:DeleteRolePolicy"
    DELETE_USER = "iam:DeleteUser"
    DELETE_USER_POLICY = "iam:DeleteUserPolicy"
    DETACH_ROLE_POLICY = "iam:DetachRolePolicy"
    DETACH_USER_POLICY = "iam:DetachUserPolicy"
    GET_LOGIN_PROFILE = "iam:GetLoginProfile"
    GET_OPENID_CONNECT_PROVIDER = "iam:GetOpenIDConnectProvider"
    GET_POLICY = "iam:GetPolicy"
    GET_POLICY_VERSION = "iam:GetPolicyVersion"
    GET_ROLE = "iam:GetRole"
    GET_ROLE_POLICY = "iam:GetRolePolicy"
    GET_USER = "iam:GetUser"
    GET_USER_POLICY = "iam:GetUserPolicy"
    LIST_ACCESS_KEYS = "iam:ListAccessKeys"
    LIST_ATTACHED_ROLE_POLICIES = "iam:ListAttachedRolePolicies"
    LIST_ATTACHED_USER_POLICIES = "iam:ListAttachedUserPolicies"
    LIST_GROUPS_FOR_USER = "iam:ListGroupsForUser"
    LIST_INSTANCE_PROFILES_FOR_ROLE = "iam:ListInstanceProfilesForRole"
    LIST_OPENID_CONNECT_PROVIDERS = "iam:ListOpenIDConnectProviders"
    LIST_POLICIES = "iam:ListPolicies"
    LIST_ROLE_POLICIES = "iam:ListRolePolicies"
    LIST_ROLES = "iam:ListRoles"
    LIST_USER_POLICIES = "iam:ListUserPolicies"
    LIST_USERS = "iam:ListUsers"
    PUT_ROLE_POLICY = "iam:PutRolePolicy"
    PUT_USER_POLICY = "iam:PutUserPolicy"
    UPDATE_ACCESS_KEY = "iam:UpdateAccessKey"
    UPDATE_ASSUME_ROLE_POLICY = "iam:UpdateAssumeRolePolicy"
    UPDATE_LOGIN_PROFILE = "iam:UpdateLoginProfile"
    UPDATE_ROLE = "iam:UpdateRole"
    UPDATE_ROLE_DESCRIPTION = "iam:UpdateRoleDescription"

    ASSUME_ROLE = "sts:AssumeRole"
    ASSUME_ROLE_WITH_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"


SERVICES_OF_USERS = ("iam:", "sts:")
"""How actions begin that are about users and roles. No policy of a repository or of the registry speaks of them."""


def action_of(operation: str, service: str = "ecr") -> Action:
    """The action that an operation needs.

    ListImageReferrers has none of its own and needs BatchGetImage's (the service model's documentation says
    so).

    Args:
        operation: its name.
        service: the service's signing name: ``ecr``, ``ecr-public``, ``careen``, ``iam``.
    """
    if operation == "ListImageReferrers":
        return Action.BATCH_GET_IMAGE
    return Action(f"{service}:{operation}")


def public_twin(action: Action) -> Action | None:
    """ECR Public's action of the same name as one of ECR's; None if it has none."""
    return _TWINS.get(action)


_TWINS = {
    each: twin for each in Action if (twin := Action.__members__.get(f"PUBLIC_{each.name}")) is not None
}
