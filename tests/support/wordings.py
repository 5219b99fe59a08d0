"""The wordings of AWS that are known, each with the row that it has, and others that only look like one.

The texts are AWS's own, from the pages and threads named above each group; only account numbers, names and
identifiers were replaced. `docs` is https://docs.aws.amazon.com/AmazonECS/latest/developerguide.
"""

from __future__ import annotations

from retry_run_task.launch.values import Origin

ANSWER, ERROR, STOPPED = Origin.ANSWER, Origin.ERROR, Origin.STOPPED
NOT_STARTED = "TaskFailedToStart"
INVALID, CLIENT = "InvalidParameterException", "ClientException"

CAPACITY_ENDING = "Please try again later or in a different availability zone"
PULL_SECRETS = "ResourceInitializationError: unable to pull secrets or registry auth: "
PULL_IMAGE = "CannotPullContainerError: "

# Row, origin, code and text.
Wording = tuple[str, Origin, str | None, str]

ANSWERS: list[Wording] = [
    # docs/api_failures_messages.html: the reasons that RunTask may answer with.
    ("instance-resources", ANSWER, None, "RESOURCE:*"),
    ("instance-resources", ANSWER, None, "RESOURCE:CPU"),
    ("instance-resources", ANSWER, None, "RESOURCE:MEMORY"),
    ("instance-resources", ANSWER, None, "RESOURCE:ENI"),
    ("instance-resources", ANSWER, None, "RESOURCE:GPU"),
    ("agent-disconnected", ANSWER, None, "AGENT"),
    ("attribute-missing", ANSWER, None, "ATTRIBUTE"),
    ("wrong-location", ANSWER, None, "LOCATION"),
    ("instance-missing", ANSWER, None, "MISSING"),
    ("instance-inactive", ANSWER, None, "INACTIVE"),
    ("no-active-instances", ANSWER, None, "NO ACTIVE INSTANCES"),
    ("no-active-instances", ANSWER, None, "EMPTY CAPACITY PROVIDER"),
    ("placement-constraint", ANSWER, None, "MemberOf placement constraint unsatisfied."),
    # https://github.com/PrefectHQ/prefect/issues/20765 (PORTS); a kind that AWS has not named yet.
    ("instance-resources", ANSWER, None, "RESOURCE:PORTS"),
    ("instance-resources", ANSWER, None, "RESOURCE:PORTS_TCP"),
    ("instance-resources", ANSWER, None, "RESOURCE:FOO"),
    ("instance-resources", ANSWER, None, "RESOURCE:CPU, RESOURCE:MEMORY"),
    # https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity, https://github.com/gchq/sleeper/issues/904
    ("fargate-capacity", ANSWER, None, f"Capacity is unavailable at this time. {CAPACITY_ENDING}"),
    ("fargate-capacity", ANSWER, None, f"Capacity is unavailable at this time. {CAPACITY_ENDING}."),
    ("fargate-capacity", ANSWER, None, "Capacity is unavailable at this time"),
    ("fargate-capacity", ANSWER, None, "Capacity is unavailable at this time."),
    ("fargate-capacity", ANSWER, None, "ECS: Capacity is unavailable at this time."),
    ("fargate-capacity", ANSWER, None, "Capacity is unavailable"),
    ("fargate-capacity", ANSWER, None, "Spot capacity is currently unavailable."),
    ("fargate-capacity", ANSWER, None, "Capacity is unavailable\r\nat this time.\n Please try again later"),
    ("fargate-capacity", ANSWER, None, "Capacity\u00a0is\u00a0unavailable\u202fat this time"),
    ("fargate-capacity", ANSWER, None, "\uff23apacity is unavailable at this time\uff0e"),
    # docs/service-event-messages-list.html, the same as ECS's services say it.
    (
        "fargate-capacity",
        ANSWER,
        None,
        "(service web) was unable to place a task. Reason: Capacity is unavailable at this time.",
    ),
    ("instance-resources", ANSWER, None, "(service web) was unable to place a task. Reason: RESOURCE:ENI."),
    (
        "no-container-instances",
        ANSWER,
        None,
        (
            "(service web) was unable to place a task because no container instance met all of its requirements. "
            "Reason: No Container Instances were found in your cluster."
        ),
    ),
    (
        "instance-resources",
        ANSWER,
        None,
        "The closest matching container-instance 12345 has insufficient CPU units available.",
    ),
    (
        "instance-resources",
        ANSWER,
        None,
        "The closest matching container-instance 12345 is already using a port required by your task.",
    ),
    (
        "agent-disconnected",
        ANSWER,
        None,
        'The closest matching (container-instance 12345) encountered error "AGENT".',
    ),
    # https://github.com/wellcomecollection/platform/issues/3875, https://github.com/aws/copilot-cli/issues/2685:
    # old and new unit of the quota, straight and curly apostrophe.
    (
        "fargate-quota",
        ANSWER,
        None,
        "You've reached the limit on the number of tasks you can run concurrently",
    ),
    (
        "fargate-quota",
        ANSWER,
        None,
        "You\u2019ve reached the limit on the number of vCPUs you can run concurrently.",
    ),
    (
        "fargate-quota",
        ANSWER,
        None,
        "You\u2019ve reached the limit on the number of spot tasks you can run concurrently",
    ),
    # https://github.com/dask/dask-cloudprovider/issues/300
    ("above-quota", ANSWER, None, "The requested CPU configuration is above your limit"),
    ("above-quota", ERROR, CLIENT, "The requested memory configuration is above your limit."),
    # https://github.com/aws/aws-cdk/issues/30171: an exception as often as an answer.
    ("no-container-instances", ERROR, INVALID, "No Container Instances were found in your cluster."),
    (
        "no-container-instances",
        ANSWER,
        None,
        "No Container Instances were found in your capacity provider.",
    ),
    # A throttled or failing dependency in an answer.
    ("throttled-text", ANSWER, None, "Rate exceeded"),
    ("throttled-text", ANSWER, None, "ThrottlingException: Rate exceeded."),
    ("internal-error", ANSWER, None, "InternalError"),
    ("internal-error", ANSWER, None, "Internal error."),
]

ERRORS: list[Wording] = [
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html#API_RunTask_Errors
    ("account-blocked", ERROR, "BlockedException", "Your AWS account was blocked."),
    ("cluster-missing", ERROR, "ClusterNotFoundException", "Cluster not found."),
    ("token-conflict", ERROR, "ConflictException", ""),
    ("platform-version", ERROR, "PlatformUnknownException", "The platform version 9.9.9 does not exist."),
    ("platform-version", ERROR, "PlatformTaskDefinitionIncompatibilityException", ""),
    ("platform-version", ERROR, "UnsupportedFeatureException", "The feature is not available in the Region."),
    ("server-fault", ERROR, "ServerException", "Service Unavailable. Please try again later."),
    ("provisioning-queue-full", ERROR, CLIENT, "Tasks provisioning capacity limit exceeded."),
    (
        "provisioning-queue-full",
        ERROR,
        None,
        "ClientException: Tasks provisioning capacity limit was exceeded.",
    ),
    ("cluster-missing-text", ERROR, CLIENT, "The referenced cluster was inactive."),
    ("cluster-missing-text", ERROR, INVALID, "Cluster is inactive."),
    ("request-invalid", ERROR, INVALID, "AccountIDs mismatch"),
    ("request-invalid", ERROR, INVALID, ""),
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html
    ("server-fault", ERROR, "InternalFailure", "The request processing has failed."),
    ("server-fault", ERROR, "ServiceUnavailable", "The request has failed due to a temporary failure."),
    ("server-fault", ERROR, "RequestAbortedException", ""),
    ("credentials-expired", ERROR, "ExpiredTokenException", "The security token is expired"),
    ("credentials-expired", ERROR, "RequestExpired", "Request has expired."),
    ("credentials-rejected", ERROR, "OptInRequired", "You are not subscribed."),
    ("credentials-rejected", ERROR, "UnrecognizedClientException", "The security token is invalid."),
    ("credentials-rejected", ERROR, "InvalidClientTokenId", "The X.509 certificate does not exist."),
    ("signature-wrong", ERROR, "SignatureDoesNotMatch", "The request signature we calculated differs."),
    ("signature-wrong", ERROR, "IncompleteSignature", ""),
    ("access-denied", ERROR, "NotAuthorized", "You do not have permission to perform this action."),
    # https://github.com/fabfuel/ecs-deploy/issues/126: with fresh credentials, or a right clock, it works.
    (
        "credentials-expired-text",
        ERROR,
        "InvalidSignatureException",
        "Signature expired: 20261209T104625Z is now earlier than 20261210T033904Z",
    ),
    ("signature-wrong", ERROR, "InvalidSignatureException", "The signature does not match."),
    # https://github.com/aws/aws-cdk/issues/16093, https://github.com/aws/aws-cdk/issues/28854
    (
        "access-denied",
        ERROR,
        "AccessDeniedException",
        (
            "User: arn:aws:sts::123456789012:assumed-role/events/x is not authorized to perform: ecs:RunTask on "
            "resource: arn:aws:ecs:us-east-1:123456789012:task-definition/job because no identity-based policy "
            "allows the ecs:RunTask action"
        ),
    ),
    # docs/request-throttling.html
    ("throttled", ERROR, "ThrottlingException", "Rate exceeded"),
    ("throttled", ERROR, "ThrottlingException", ""),
    # https://github.com/dagster-io/dagster/issues/33439, https://github.com/dask/dask-cloudprovider/issues/56,
    # https://github.com/reproio/wrapbox/issues/32: EC2's throttle, dressed up as the caller's mistake.
    (
        "throttled-text",
        ERROR,
        INVALID,
        (
            "Error retrieving subnet information for [subnet-0123456789abcdef0]: Request limit exceeded. "
            "(ErrorCode: RequestLimitExceeded)"
        ),
    ),
    (
        "throttled-text",
        ERROR,
        INVALID,
        (
            "Error retrieving security group information for [sg-0123456789abcdef0]: Rate exceeded "
            "(ErrorCode: Throttling)"
        ),
    ),
    ("throttled-text", ERROR, CLIENT, "Rate exceeded"),
    ("throttled-text", ERROR, "ServerException", "Request limit exceeded."),
    # The same look-up, but EC2 does not answer, denies or fails.
    (
        "connection-lost-text",
        ERROR,
        INVALID,
        (
            "Error retrieving security group information: com.amazonaws.SdkClientException: Unable to execute "
            "HTTP request: Connect to ec2.us-east-1.amazonaws.com:443 failed: connect timed out"
        ),
    ),
    (
        "call-denied",
        ERROR,
        INVALID,
        (
            "Error retrieving subnet information for [subnet-0123456789abcdef0]: You are not authorized to "
            "perform this operation. (ErrorCode: UnauthorizedOperation)"
        ),
    ),
    (
        "internal-error",
        ERROR,
        INVALID,
        "Error retrieving subnet information: An internal error has occurred (ErrorCode: InternalError)",
    ),
    # https://github.com/eddmann/serverless-fargate/issues/20
    (
        "subnet-or-group-missing",
        ERROR,
        INVALID,
        (
            "Error retrieving subnet information for [subnet-0123456789abcdef0]: The subnet ID "
            "'subnet-0123456789abcdef0' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
        ),
    ),
    (
        "subnet-or-group-missing",
        ERROR,
        INVALID,
        (
            "Error retrieving security group information for [sg-0123456789abcdef0]: The security group "
            "'sg-0123456789abcdef0' does not exist (ErrorCode: InvalidGroup.NotFound)"
        ),
    ),
    (
        "subnet-or-group-missing",
        ERROR,
        INVALID,
        "Error retrieving subnet information for [subnet-1]: Invalid id (ErrorCode: InvalidSubnetID.Malformed)",
    ),
    # docs/service-event-messages-list.html: capacity may come as an exception of any class.
    ("fargate-capacity", ERROR, CLIENT, f"Capacity is unavailable at this time. {CAPACITY_ENDING}"),
    ("fargate-capacity", ERROR, "ServerException", "Capacity is unavailable at this time."),
    ("fargate-capacity", ERROR, INVALID, "Capacity is unavailable at this time."),
    # https://github.com/pulumi/pulumi-awsx/issues/927, https://github.com/boto/boto3/issues/1878
    (
        "role-not-assumable",
        ERROR,
        CLIENT,
        (
            "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/task' that was provided for this "
            "task. Please verify that the role being passed has the proper trust relationship and permissions "
            "and that your IAM user has permissions to pass this role."
        ),
    ),
    (
        "role-not-assumable",
        ERROR,
        INVALID,
        "Role arn:aws:iam::123456789012:role/task cannot be assumed by ecs-tasks.amazonaws.com",
    ),
    # https://github.com/jonrau1/ElectricEye/issues/9
    (
        "service-linked-role",
        ERROR,
        INVALID,
        "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
    ),
    # https://github.com/aws/containers-roadmap/issues/685
    ("task-definition-missing", ERROR, CLIENT, "TaskDefinition is inactive"),
    ("task-definition-missing", ERROR, CLIENT, "TaskDefinition not found."),
    ("task-definition-missing", ERROR, CLIENT, "Unable to describe task definition."),
    ("task-definition-missing", ERROR, INVALID, "TaskDefinition is inactive."),
    (
        "task-definition-missing",
        ERROR,
        CLIENT,
        "The task definition arn:aws:ecs:us-east-1:123456789012:task-definition/job:7 does not exist.",
    ),
    # https://github.com/clowdhaus/eks-reference-architecture/issues/12
    (
        "account-blocked-text",
        ERROR,
        CLIENT,
        "This account is currently blocked and not recognized as a valid account.",
    ),
    # https://github.com/metaps/genova/issues/122, https://github.com/aws/aws-cdk/issues/13348,
    # https://github.com/prefect-archive/prefect-aws/issues/112, https://github.com/aws/aws-dotnet-deploy/pull/735
    (
        "network-configuration",
        ERROR,
        INVALID,
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    (
        "network-configuration",
        ERROR,
        INVALID,
        "Network Configuration is not valid for the given networkMode of this task definition.",
    ),
    ("network-configuration", ERROR, INVALID, "Assign public IP is not supported for this launch type."),
    (
        "network-configuration",
        ERROR,
        INVALID,
        "Security group sg-0123456789abcdef0 does not appear to belong to the same VPC as the input subnets.",
    ),
    ("network-configuration", ERROR, INVALID, "subnets can have at most 16 items."),
    # https://github.com/dask/dask-cloudprovider/issues/328: a provider's name holds the word, nothing is short.
    ("capacity-provider-wrong", ERROR, INVALID, "The specified capacity provider 'spot' was not found."),
    (
        "capacity-provider-wrong",
        ERROR,
        INVALID,
        (
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated "
            "with the cluster. Associate the capacity provider with the cluster and try again."
        ),
    ),
    ("capacity-provider-wrong", ANSWER, None, "Capacity provider spot not found"),
    # https://github.com/azavea/django-ecsmanage/issues/21, docs/ecs-account-settings.html
    (
        "overrides-wrong",
        ERROR,
        INVALID,
        "Override for container named app is not a container in the TaskDefinition.",
    ),
    ("overrides-wrong", ERROR, INVALID, "Container Overrides length must be at most 8192"),
    ("tags-wrong", ERROR, INVALID, "Long arn format must be enabled for ECS managed tags."),
    ("tags-wrong", ERROR, INVALID, "Invalid value for propagateTags"),
    # docs/task-cpu-memory-error.html
    ("compute-strategy", ERROR, CLIENT, "No Fargate configuration exists for given values."),
    (
        "compute-strategy",
        ERROR,
        INVALID,
        "Task definition does not support launch_type FARGATE.",
    ),
    # botocore's own errors, which have no code of AWS's; what its retries make again.
    ("connection-lost", ERROR, "EndpointConnectionError", "Could not connect to the endpoint URL: x"),
    ("connection-lost", ERROR, "ReadTimeoutError", "Read timeout on endpoint URL: x"),
    ("connection-lost", ERROR, "IncompleteReadError", "0 read, but total bytes expected is 7"),
    (
        "connection-lost-text",
        ERROR,
        None,
        'Read timeout on endpoint URL: "https://ecs.us-east-1.amazonaws.com/"',
    ),
    ("credentials-rejected", ERROR, "NoCredentialsError", "Unable to locate credentials"),
    ("request-invalid", ERROR, "ParamValidationError", "Parameter validation failed: x"),
]

STOPS: list[Wording] = [
    # docs/failed-to-start-error.html, and the answer's reasons as EventBridge shows them in stoppedReason.
    ("agent-disconnected", STOPPED, NOT_STARTED, "TaskFailedToStart: AGENT"),
    ("instance-resources", STOPPED, NOT_STARTED, "TaskFailedToStart: RESOURCE:*"),
    ("no-active-instances", STOPPED, NOT_STARTED, "TaskFailedToStart: NO ACTIVE INSTANCES"),
    ("no-active-instances", STOPPED, NOT_STARTED, "TaskFailedToStart: EMPTY CAPACITY PROVIDER"),
    ("attribute-missing", STOPPED, NOT_STARTED, "TaskFailedToStart: ATTRIBUTE"),
    ("wrong-location", STOPPED, NOT_STARTED, "TaskFailedToStart: LOCATION"),
    (
        "placement-constraint",
        STOPPED,
        NOT_STARTED,
        "TaskFailedToStart: MemberOf placement constraint unsatisfied.",
    ),
    (
        "fargate-capacity",
        STOPPED,
        NOT_STARTED,
        f"Capacity is unavailable at this time. {CAPACITY_ENDING}",
    ),
    (
        "compute-strategy",
        STOPPED,
        NOT_STARTED,
        "The selected task definition is not compatible with the selected compute strategy.",
    ),
    ("internal-error", STOPPED, NOT_STARTED, "InternalError: <reason>"),
    (
        "ec2-error",
        STOPPED,
        NOT_STARTED,
        "Unexpected EC2 error while attempting to attach network interface to instance",
    ),
    (
        "subnet-full-public-ip",
        STOPPED,
        NOT_STARTED,
        (
            "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled "
            "in subnet 'subnet-0123456789abcdef0'"
        ),
    ),
    (
        "subnet-full",
        STOPPED,
        NOT_STARTED,
        (
            "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled "
            "in subnet 'subnet-0123456789abcdef0': InsufficientFreeAddressesInSubnet"
        ),
    ),
    (
        "eni-slots-taken",
        STOPPED,
        NOT_STARTED,
        "Unable to attach network interface to unused device index",
    ),
    # https://github.com/dagster-io/dagster, dagster_aws/ecs/utils.py: what its users saw pass at the next try.
    (
        "ec2-auth-failure",
        STOPPED,
        NOT_STARTED,
        (
            "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment "
            "disabled in subnet 'subnet-0123456789abcdef0': AuthFailure"
        ),
    ),
    (
        "ec2-auth-failure",
        STOPPED,
        NOT_STARTED,
        (
            "Unexpected EC2 error while attempting to Create Network Interface: AuthFailure: AWS was not able to "
            "validate the provided access credentials"
        ),
    ),
    (
        "start-denied",
        STOPPED,
        NOT_STARTED,
        "Unexpected EC2 error while attempting to Create Network Interface: UnauthorizedOperation",
    ),
    (
        "throttled-text",
        STOPPED,
        NOT_STARTED,
        "Unexpected EC2 error while attempting to Create Network Interface: RequestLimitExceeded",
    ),
    (
        "ec2-quota",
        STOPPED,
        NOT_STARTED,
        "Unexpected EC2 error while attempting to Create Network Interface: NetworkInterfaceLimitExceeded",
    ),
    (
        "subnet-or-group-missing",
        STOPPED,
        NOT_STARTED,
        "Unexpected EC2 error while attempting to Create Network Interface: InvalidSubnetID.NotFound",
    ),
    (
        "tag-policy",
        STOPPED,
        NOT_STARTED,
        "Unexpected EC2 error while attempting to Create Network Interface: TagPolicyViolation",
    ),
    ("provisioning-failed", STOPPED, NOT_STARTED, "Task provisioning failed."),
    ("service-discovery", STOPPED, None, "The Service Discovery instance could not be registered."),
    # https://github.com/apache/airflow/pull/22002, https://github.com/dagster-io/dagster/pull/17234
    (
        "eni-timeout",
        STOPPED,
        NOT_STARTED,
        "Timeout waiting for network interface provisioning to complete.",
    ),
    (
        "eni-timeout",
        STOPPED,
        NOT_STARTED,
        "Network interface provision complete error timeout wait for network interface provision.",
    ),
    ("hung", STOPPED, NOT_STARTED, "Stopped by its recovery because it did not start in time"),
    (
        "storage-timeout",
        STOPPED,
        NOT_STARTED,
        "Timeout waiting for EphemeralStorage provisioning to complete.",
    ),
    # https://github.com/aws/amazon-ecs-cni-plugins/issues/93
    (
        "eni-setup",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: failed to configure ENI: failed to setup regular eni: netplugin failed "
            "with no error message"
        ),
    ),
    # docs/managed-instances-errors.html, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    (
        "ec2-capacity",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: Unable to launch instance(s) for capacity provider spot. "
            "UnfulfillableCapacity: Unable to fulfill capacity due to your request configuration."
        ),
    ),
    (
        "ec2-capacity",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: Unable to launch instance(s) for capacity provider a. "
            "InsufficientInstanceCapacity: There is no Spot capacity available that matches your request."
        ),
    ),
    (
        "ec2-quota",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: Unable to launch instance(s) for capacity provider a. "
            "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 0 allows."
        ),
    ),
    (
        "start-denied",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: Unable to launch instance(s) for capacity provider a. "
            "UnauthorizedOperation: You are not authorized to perform this operation."
        ),
    ),
    # docs/resource-initialization-error.html: who could not read what, and why.
    (
        "start-denied",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_SECRETS}execution resource retrieval failed: unable to retrieve secret from asm: service call "
            "has been retried 1 time(s): AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/"
            "execution/0123 is not authorized to perform: secretsmanager:GetSecretValue status code: 400"
        ),
    ),
    (
        "start-denied",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_SECRETS}operation error SSM: GetParameters, https response error StatusCode: 400, api error "
            "AccessDeniedException: denied, then context deadline exceeded"
        ),
    ),
    (
        "start-denied",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: failed to download env files: file download command: non empty error "
            "stream: AccessDenied: Access Denied status code: 403"
        ),
    ),
    (
        "start-denied",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
            "b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'"
        ),
    ),
    (
        "start-network",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_SECRETS}execution resource retrieval failed: unable to retrieve ecr registry auth: service "
            "call has been retried 3 time(s): RequestError: send request failed caused by: Post "
            '"https://api.ecr.us-east-1.amazonaws.com/": dial tcp 10.0.0.1:443: i/o timeout'
        ),
    ),
    (
        "start-network",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_SECRETS}There is a connection issue between the task and AWS Secrets Manager. Check your task "
            "network configuration. failed to fetch secret from secrets manager: context deadline exceeded"
        ),
    ),
    (
        "start-network",
        STOPPED,
        NOT_STARTED,
        f"{PULL_SECRETS}unable to retrieve secrets from ssm: RequestCanceled: request context ca...",
    ),
    (
        "start-network",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon "
            "CloudWatch log group defined in the task definition. There is a connection issue between the task "
            "and Amazon CloudWatch. Check your network configuration. : signal: killed"
        ),
    ),
    (
        "start-network",
        STOPPED,
        NOT_STARTED,
        "ResourceInitializationError: failed to validate logger args: : signal: killed",
    ),
    (
        "start-network",
        STOPPED,
        NOT_STARTED,
        f"{PULL_SECRETS}dial tcp: lookup ssm on 10.0.0.2:53: no such host",
    ),
    (
        "start-server-fault",
        STOPPED,
        NOT_STARTED,
        f"{PULL_SECRETS}operation error Secrets Manager: GetSecretValue, https response error StatusCode: 503",
    ),
    (
        "throttled-text",
        STOPPED,
        NOT_STARTED,
        f"{PULL_SECRETS}unable to retrieve secrets from ssm: ThrottlingException: Rate exceeded status code: 400",
    ),
    (
        "log-group-missing",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
            "failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not "
            "exist. : exit status 1"
        ),
    ),
    (
        "log-driver",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: failed to validate logger args: unable to get awslogs driver arguments: "
            "awslogs-region is required"
        ),
    ),
    (
        "efs-mount",
        STOPPED,
        NOT_STARTED,
        (
            "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
            'Failed to resolve "fs-0123456789abcdef0.efs.us-east-1.amazonaws.com" - check that your file system '
            "ID is correct"
        ),
    ),
    (
        "secret-malformed",
        STOPPED,
        NOT_STARTED,
        f"{PULL_SECRETS}retrieved secret from Secrets Manager did not contain json key TOKEN",
    ),
    (
        "secret-malformed",
        STOPPED,
        NOT_STARTED,
        f"{PULL_SECRETS}unable to unmarshal secret: invalid character 'x' looking for beginning of value",
    ),
    # docs/resource-not-found-error.html
    (
        "secret-missing",
        STOPPED,
        NOT_STARTED,
        (
            "Fetching secret data from AWS Secrets Manager in region us-east-1: secret "
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:token: ResourceNotFoundException: Secrets "
            "Manager can\u2019t find the specified secret."
        ),
    ),
    (
        "secret-missing",
        STOPPED,
        NOT_STARTED,
        f"{PULL_SECRETS}unable to retrieve secrets from ssm: invalid ssm parameters: /job/token",
    ),
    # docs/troubleshoot-ebs-volumes-scenarios.html
    (
        "ebs-volume",
        STOPPED,
        NOT_STARTED,
        "ECS timed out while configuring the EBS volume attachment to your Task.",
    ),
    (
        "role-not-assumable",
        STOPPED,
        NOT_STARTED,
        (
            "ECS was unable to assume the configured ECS Infrastructure Role "
            "'arn:aws:iam::123456789012:role/volumes'. Please verify that the role being passed has the proper "
            "trust relationship with Amazon ECS"
        ),
    ),
    # docs/task_cannot_pull_image.html
    (
        "image-pull-denied",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}The task can\u2019t pull the image. Check that the role has the permissions to pull "
            "images from the registry. Error response from daemon: pull access denied for job, repository does "
            "not exist or may require 'docker login': denied: User is not authorized to perform: ecr:BatchGetImage"
        ),
    ),
    (
        "image-pull-denied",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}failed to resolve ref registry.example.com/job:1: pulling from host "
            "registry.example.com failed with status code [manifests 1]: 403 Forbidden"
        ),
    ),
    (
        "image-pull-denied",
        STOPPED,
        NOT_STARTED,
        f"{PULL_IMAGE}Error response from daemon: Get https://registry.example.com/v2/: no basic auth credentials",
    ),
    (
        "image-pull-denied",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}pull access denied, repository does not exist or may require authorization: server "
            "message: insufficient_scope: authorization failed"
        ),
    ),
    (
        "image-missing",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}The task cannot pull 123456789012.dkr.ecr.us-east-1.amazonaws.com/job:1 from the "
            "registry. failed to resolve ref 123456789012.dkr.ecr.us-east-1.amazonaws.com/job:1: not found"
        ),
    ),
    (
        "image-missing",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}Error response from daemon: manifest for job:1 not found: manifest unknown: Requested "
            "image not found"
        ),
    ),
    (
        "image-missing",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}inspect image has been retried 1 time(s): failed to resolve ref: unexpected status: 404 "
            "Not Found"
        ),
    ),
    # https://github.com/aws/containers-roadmap/issues/1120
    (
        "image-wrong-platform",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}pull image manifest has been retried 7 time(s): image Manifest does not contain "
            "descriptor matching platform 'linux/arm64'."
        ),
    ),
    ("image-wrong-platform", STOPPED, NOT_STARTED, "exec /usr/bin/job: exec format error"),
    (
        "disk-full",
        STOPPED,
        NOT_STARTED,
        f"{PULL_IMAGE}write /var/lib/docker/tmp/GetImageBlob111111111: no space left on device",
    ),
    (
        "disk-full",
        STOPPED,
        NOT_STARTED,
        (
            "CannotCreateContainerError: API error (500): devmapper: Thin Pool has 4350 free data blocks which is "
            "less than minimum required 4454 free data blocks."
        ),
    ),
    (
        "image-pull-network",
        STOPPED,
        NOT_STARTED,
        (
            f'{PULL_IMAGE}failed to do request: Head "https://quay.io/v2/job/manifests/1": dial tcp 10.0.0.1:443: '
            "i/o timeout"
        ),
    ),
    (
        "image-pull-network",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}Error response from daemon: Get https://123456789012.dkr.ecr.us-east-1.amazonaws.com/v2/: "
            "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting "
            "headers)"
        ),
    ),
    (
        "image-pull-network",
        STOPPED,
        NOT_STARTED,
        f"{PULL_IMAGE}ref pull has been retried 5 time(s): failed to copy: httpReaderSeeker: failed open: fa...",
    ),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}Get https://quay.io/v2/: EOF"),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}net/http: TLS handshake timeout"),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}read: connection reset by peer"),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}context canceled"),
    (
        "image-pull-network",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}inspect image has been retried 5 time(s): httpReaderSeeker: failed open: unexpected "
            "status code https://quay.io/v2/job/blobs/sha256:00: 502 Bad Gateway"
        ),
    ),
    (
        "registry-pull-quota",
        STOPPED,
        NOT_STARTED,
        (
            f"{PULL_IMAGE}inspect image has been retried 5 time(s): httpReaderSeeker: failed open: unexpected "
            "status code https://registry-1.docker.io/v2/job/manifests/1: 429 Too Many Requests - Server message: "
            "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating "
            "and upgrading: https://www.docker.com/increase-rate-limit"
        ),
    ),
    (
        "throttled-text",
        STOPPED,
        NOT_STARTED,
        f"{PULL_IMAGE}inspect image has been retried 5 time(s): toomanyrequests: Rate exceeded",
    ),
    # https://github.com/aws/containers-roadmap/issues/1658
    (
        "image-pull-anonymous",
        STOPPED,
        NOT_STARTED,
        (
            f'{PULL_IMAGE}failed to resolve ref "registry.example.com/job:1": failed to authorize: failed to '
            "fetch anonymous token: unexpected sta..."
        ),
    ),
    # docs/cannot-start-container.html, https://github.com/jenkinsci/amazon-ecs-plugin/issues/258
    (
        "container-not-startable",
        STOPPED,
        NOT_STARTED,
        (
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: "
            "failed to create shim: OCI runtime create failed: container_linux.go:380: starting container process "
            'caused: exec: "-url": executable file not found in $PATH: unknown'
        ),
    ),
    (
        "host-port-taken",
        STOPPED,
        NOT_STARTED,
        "CannotStartContainerError: bind for 0.0.0.0:8080 failed: port is already allocated",
    ),
    # docs/container-runtime-error.html, docs/container-runtime-timeout-error.html
    ("container-runtime", STOPPED, NOT_STARTED, "ContainerRuntimeError: <reason>"),
    (
        "container-timeout",
        STOPPED,
        NOT_STARTED,
        "ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 4m0s",
    ),
    (
        "container-timeout",
        STOPPED,
        NOT_STARTED,
        "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s",
    ),
]

HAD_RUN: list[Wording] = [
    # https://repost.aws/knowledge-center/ecs-task-stopped
    ("container-exited", STOPPED, "EssentialContainerExited", "Essential container in task exited"),
    ("stopped-by-a-person", STOPPED, "UserInitiated", "Task stopped by user"),
    # What a person gives to StopTask as a reason is free text.
    ("stopped-by-a-person", STOPPED, "UserInitiated", "Rate exceeded"),
    ("stopped-by-a-person", STOPPED, "UserInitiated", "Capacity is unavailable at this time."),
    (
        "stopped-after-start",
        STOPPED,
        "ServiceSchedulerInitiated",
        "Scaling activity initiated by (deployment ecs-svc/1234567890123456789)",
    ),
    (
        "stopped-after-start",
        STOPPED,
        "ServiceSchedulerInitiated",
        "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-east-1:1:x)",
    ),
    # A stop code that is not there yet, with the text that most wants to be retried.
    ("stopped-after-start", STOPPED, "SomethingOfNextYear", "Capacity is unavailable at this time."),
    # The same without a stop code, or with the wrong one.
    ("task-had-run", STOPPED, None, "Essential container in task exited"),
    ("task-had-run", STOPPED, None, "Task stopped by user"),
    ("task-had-run", STOPPED, None, "Task failed container health checks"),
    ("task-had-run", STOPPED, None, "Scaling activity initiated by (deployment ecs-svc/1)"),
    ("task-had-run", STOPPED, NOT_STARTED, "An essential container in the task exited."),
    ("task-had-run", STOPPED, NOT_STARTED, "CannotStopContainerError: x"),
    ("task-had-run", STOPPED, NOT_STARTED, "OutOfMemoryError: Container killed due to memory usage"),
]

# What went away from under a task: whether it had run, its state tells, and then `ran` is set.
WENT_AWAY: list[Wording] = [
    # docs/spot-interruption-errors.html, https://github.com/aws/containers-roadmap/issues/1565
    ("spot-reclaimed", STOPPED, "SpotInterruption", "Your Spot Task was interrupted."),
    ("spot-reclaimed", STOPPED, "SpotInterruption", ""),
    ("spot-reclaimed-text", STOPPED, "TerminationNotice", "Your Spot Task was interrupted."),
    ("spot-reclaimed-text", STOPPED, NOT_STARTED, "Your Spot Task was interrupted."),
    ("spot-reclaimed-text", STOPPED, None, "SpotInterruptionError: x"),
    ("spot-reclaimed-text", STOPPED, None, "Spot Instance interruption"),
    # https://repost.aws/knowledge-center/ecs-task-stopped
    ("host-gone", STOPPED, "TerminationNotice", "Host EC2 (instance i-0123456789abcdef0) terminated."),
    ("host-gone", STOPPED, "InfrastructureHealth", "Timeout waiting for the host"),
    ("host-gone-text", STOPPED, None, "Host EC2 (instance i-0123456789abcdef0) stopped."),
    ("host-gone-text", STOPPED, None, "Host EC2 (instance i-0123456789abcdef0) terminated."),
    ("host-gone-text", STOPPED, None, "ECS is performing maintenance on the underlying infrastructure"),
    ("host-gone-text", STOPPED, None, "Container instance deregistration forced by user"),
    ("host-gone-text", STOPPED, None, "The instance i-0123456789abcdef0 was terminated"),
]

RUNTIME = (
    "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: "
)
EFS = "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "

# Wordings of public threads, which stand beside them.
THREADS: list[Wording] = [
    # An Airflow operator with launch type EXTERNAL on a cluster that has only EC2 instances.
    ("launch-type-missing", ANSWER, None, "LAUNCH_TYPE"),
    # A script that runs several tasks of one group.
    ("no-distinct-instance", ANSWER, None, "DistinctInstance placement constraint unsatisfied."),
    # https://github.com/aws/amazon-ecs-agent/issues/2917
    (
        "instance-misconfigured",
        STOPPED,
        NOT_STARTED,
        "CgroupError: Agent could not create task's platform resources",
    ),
    ("instance-misconfigured", STOPPED, NOT_STARTED, "HostConfigError: unable to create hostconfig"),
    ("instance-misconfigured", STOPPED, NOT_STARTED, "CgroupError: x"),
    ("instance-misconfigured", STOPPED, NOT_STARTED, "Agent could not create task's platform resources"),
    # https://github.com/aws/efs-utils/issues/32, https://github.com/docker-archive/compose-cli/issues/1490
    (
        "efs-interrupted",
        STOPPED,
        NOT_STARTED,
        (
            "Error response from daemon: create x: VolumeDriver.Create: mounting volume failed: Error retrieving "
            'region. Please set the "region" parameter in the efs-utils configuration file.'
        ),
    ),
    ("efs-interrupted", STOPPED, NOT_STARTED, "mount.nfs4: Connection reset by peer"),
    ("efs-interrupted", STOPPED, NOT_STARTED, f"{EFS}Connection timed out"),
    ("efs-interrupted", STOPPED, NOT_STARTED, f"{EFS}server is busy"),
    ("efs-interrupted", STOPPED, NOT_STARTED, f"{EFS}context deadline exceeded"),
    # https://github.com/aws-samples/aws-cdk-examples/issues/920 and what AWS says of it
    (
        "start-denied",
        STOPPED,
        NOT_STARTED,
        f"{EFS}b'mount.nfs4: access denied by server while mounting fs-1'",
    ),
    ("efs-mount", STOPPED, NOT_STARTED, "CannotCreateVolumeError: x"),
    # https://github.com/quintilesims/layer0/issues/389, https://github.com/aws/amazon-ecs-agent/issues/943 and 1185
    ("image-missing", STOPPED, NOT_STARTED, f"{PULL_IMAGE}Error: image foo/foo not found"),
    (
        "image-missing",
        STOPPED,
        NOT_STARTED,
        f"{PULL_IMAGE}Tag latest not found in repository docker.io/x/owncloud",
    ),
    (
        "image-missing",
        STOPPED,
        NOT_STARTED,
        f"{PULL_IMAGE}API error (404): repository serverless-batch not found: does not exist or no pull access",
    ),
    ("image-missing", STOPPED, NOT_STARTED, f"{PULL_IMAGE}API error (404)"),
    ("image-missing", STOPPED, NOT_STARTED, f"{PULL_IMAGE}no such image"),
    ("image-missing", STOPPED, NOT_STARTED, f"{PULL_IMAGE}RepositoryNotFoundException: x"),
    ("image-missing", STOPPED, NOT_STARTED, f"{PULL_IMAGE}manifest_unknown"),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}API error"),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}API error (500): x"),
    # https://github.com/aws/amazon-ecs-agent/issues/951 and 3526
    (
        "container-not-startable",
        STOPPED,
        NOT_STARTED,
        "CannotStartContainerError: API error (500): oci runtime error: container_linux.go:247: x",
    ),
    *(
        ("container-not-startable", STOPPED, NOT_STARTED, f"{RUNTIME}{cause}")
        for cause in (
            "container_linux.go:349: starting container process caused x",
            "mkdir /etc/nginx/sites-enabled: read-only file system",
            "error creating device nodes: mknod /dev/null: errno 524",
            "mounting x: is a directory",
            "mounting x: not a directory",
            "Duplicate mount point: /x",
            "Mount denied: x",
        )
    ),
    ("container-not-startable", STOPPED, NOT_STARTED, "DockerStateError: no such file or directory"),
    # https://github.com/aws/amazon-ecs-agent/pull/3218
    (
        "container-dependency",
        STOPPED,
        NOT_STARTED,
        "CannotStartContainerError: dependency graph: x",
    ),
    ("container-dependency", STOPPED, NOT_STARTED, "TaskDependencyError: x"),
    ("container-dependency", STOPPED, NOT_STARTED, "the container ordering dependency is not there"),
    # docs/cannot-start-container.html
    (
        "container-memory",
        STOPPED,
        NOT_STARTED,
        "CannotStartContainerError: failed to get container status: x",
    ),
    (
        "container-memory",
        STOPPED,
        NOT_STARTED,
        "CannotCreateContainerError: Minimum memory limit allowed is 6MB",
    ),
    # https://github.com/aws/amazon-ecs-agent/blob/master/agent/dockerclient/dockerapi/errors.go
    ("agent-error", STOPPED, NOT_STARTED, "CannotInspectContainerError: x"),
    ("agent-error", STOPPED, NOT_STARTED, "CannotGetDockerclientError: x"),
    ("agent-error", STOPPED, NOT_STARTED, "NetworkNamespaceError: x"),
    ("container-timeout", STOPPED, NOT_STARTED, "DockerTimeoutError: x"),
    # docs/resource-initialization-error.html, docs/resource-not-found-error.html
    (
        "secret-missing",
        STOPPED,
        NOT_STARTED,
        "The task can't retrieve the secret with ARN 'x'. Check whether the secret exists in the specified Region.",
    ),
    (
        "secret-empty",
        STOPPED,
        NOT_STARTED,
        f"{PULL_SECRETS}Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
    ),
    ("secret-empty", STOPPED, NOT_STARTED, f"{PULL_SECRETS}the secret token has no value"),
    # https://github.com/aws-samples/amazon-scalable-infra-discord-diffusion/issues/3
    (
        "ec2-quota",
        STOPPED,
        NOT_STARTED,
        "You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket",
    ),
    # https://github.com/jenkinsci/amazon-ecs-plugin/issues/218
    ("platform-version", ERROR, "PlatformUnknownException", "The specified platform does not exist."),
    ("platform-version-text", ERROR, INVALID, "The specified platform does not exist."),
    ("platform-version-text", ERROR, INVALID, "The platform version 1.4 is not valid"),
    ("platform-version-text", ERROR, INVALID, "Invalid platform version: 1.4"),
    # docs/service-event-messages-list.html
    (
        "instance-resources",
        ANSWER,
        None,
        "(service web) was unable to place a task because no container instance met all of its requirements.",
    ),
    (
        "agent-disconnected",
        ANSWER,
        None,
        "Timed out waiting for Amazon ECS Agent to start. Please check logs",
    ),
    ("service-event", ANSWER, None, "service web has reached a steady state."),
    (
        "service-event",
        ANSWER,
        None,
        "IAM trust has been misconfigured or changed, and ECS can no longer maintain your service",
    ),
    ("service-event", ANSWER, None, "TASK_NOT_VALID"),
    ("image-pull-unexplained", STOPPED, NOT_STARTED, "The task can\u2019t pull the image."),
    # Named, and no cause.
    ("image-pull-unexplained", STOPPED, NOT_STARTED, f"{PULL_IMAGE}failed to resol..."),
    ("container-unexplained", STOPPED, NOT_STARTED, "CannotCreateContainerError: <reason>"),
    ("container-unexplained", STOPPED, NOT_STARTED, "DockerStateError: <reason>"),
    ("resources-unexplained", STOPPED, NOT_STARTED, "ResourceInitializationError: <reason>"),
    ("resources-unexplained", STOPPED, NOT_STARTED, "unable to pull secrets or registry auth"),
    ("resources-unexplained", STOPPED, NOT_STARTED, "ResourceNotFoundException: <reason>"),
    ("start-unexplained", STOPPED, NOT_STARTED, "Task failed to start"),
]

# The same code as the API, botocore, CloudTrail, EventBridge, Step Functions and the SDKs spell it.
SPELLINGS: list[Wording] = [
    ("access-denied", ERROR, "AccessDeniedException", ""),
    ("access-denied", ERROR, "AccessDenied", ""),
    ("access-denied", ERROR, "ECS.AccessDeniedException", ""),
    ("access-denied", ERROR, "com.amazonaws.ecs#AccessDeniedException", ""),
    ("access-denied", ERROR, "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.coral/", ""),
    ("access-denied", ERROR, "com.amazonaws.ecs#AccessDeniedException:http://internal.amazon.com/x#y.z", ""),
    ("access-denied", ERROR, "accessdeniedexception", ""),
    ("access-denied", ERROR, " ACCESSDENIED\n", ""),
    ("access-denied", ERROR, "Client.UnauthorizedOperation", ""),
    ("access-denied", ERROR, "HTTP 403", ""),
    ("cluster-missing", ERROR, "ECS.ClusterNotFoundException", ""),
    ("cluster-missing", ERROR, "ClusterNotFound", ""),
    ("request-invalid", ERROR, "com.amazonaws.ecs#InvalidParameterException", "AccountIDs mismatch"),
    ("server-fault", ERROR, "Server.InternalError", ""),
    ("server-fault", ERROR, "ServerException", ""),
    ("server-fault", ERROR, "ServiceUnavailableException", ""),
    ("server-fault", ERROR, "503", ""),
    ("server-fault", ERROR, "HTTP 503", ""),
    ("server-fault", ERROR, "InternalServerError", ""),
    ("throttled", ERROR, "Client.RequestLimitExceeded", ""),
    ("throttled", ERROR, "THROTTLING", ""),
    ("throttled", ERROR, "TooManyRequestsException", ""),
    ("throttled", ERROR, "429", ""),
    ("stopped-by-a-person", STOPPED, "userInitiated", ""),
    ("stopped-by-a-person", STOPPED, "USER_INITIATED", ""),
    # Step Functions wraps what it has no class for; then the text decides.
    ("fargate-capacity", ERROR, "ECS.AmazonECSException", "Capacity is unavailable at this time."),
    ("fargate-capacity", ERROR, "AmazonECSException", "Capacity is unavailable at this time."),
    ("throttled", ERROR, "ECS.AmazonECSException", "Rate exceeded (Error Code: ThrottlingException)"),
    ("access-denied", ERROR, "ECS.Unknown", "Denied. (Status Code: 400; Error Code: AccessDeniedException)"),
    # No code at all: the message of botocore, the Java SDK and the Go SDK holds it.
    (
        "throttled",
        ERROR,
        None,
        (
            "An error occurred (ThrottlingException) when calling the RunTask operation (reached max retries: 4): "
            "Rate exceeded"
        ),
    ),
    (
        "fargate-capacity",
        ERROR,
        None,
        "An error occurred (ServerException) when calling the RunTask operation: Capacity is unavailable",
    ),
    (
        "access-denied",
        ERROR,
        None,
        "x (Service: AmazonECS; Status Code: 400; Error Code: AccessDeniedException; Request ID: 0)",
    ),
    ("cluster-missing", ERROR, None, "ClusterNotFoundException: Cluster not found."),
    ("request-invalid", ERROR, "", "InvalidParameterException: Something new."),
]

# What a denied call says is not evidence for anything else.
DENIED_FIRST: list[Wording] = [
    ("access-denied", ERROR, "AccessDeniedException", "Capacity is unavailable at this time."),
    ("access-denied", ERROR, "AccessDeniedException", "Rate exceeded"),
    ("access-denied", ERROR, "AccessDenied", "context deadline exceeded"),
    (
        "access-denied",
        ERROR,
        "AccessDeniedException",
        "The security token included in the request is expired",
    ),
    ("account-blocked", ERROR, "BlockedException", "Request limit exceeded."),
    (
        "image-pull-denied",
        STOPPED,
        NOT_STARTED,
        f"{PULL_IMAGE}access denied: net/http: TLS handshake timeout",
    ),
    ("start-denied", STOPPED, NOT_STARTED, f"{PULL_SECRETS}AccessDeniedException: i/o timeout"),
]

# What Go, Docker and the agents say about a network that does not carry: docs/resource-initialization-error.html,
# docs/task_cannot_pull_image.html, and the threads that the rows name.
NETWORK_FAULTS = [
    "dial tcp 10.0.0.1:443: connect: connect",
    "dial udp 10.0.0.2:53",
    "read tcp 10.0.0.3:443: i/o timeout",
    "TLS handshake timeout",
    "Connection timed out",
    "operation timed out",
    "Client.Timeout exceeded while awaiting headers",
    "net/http: TLS",
    "request canceled while waiting for connection",
    "RequestError: x",
    "send request failed",
    "context deadline exceeded",
    "context ca...",
    "context de",
    "signal: killed",
    "connection reset by peer",
    "connection refused",
    "write: broken pipe",
    "unexpected EOF",
    "Get https://registry.example.com/v2/: EOF",
    "no route to host",
    "network is unreachable",
    "Temporary failure in name resolution",
    "server misbehaving",
    "lookup registry.example.com: no such host",
    "There is a connection issue between the task and the service",
    "Check your network configuration",
    "could not reach any registry endpoint",
    "the command failed due to timeout",
]
SERVER_FAULTS = [
    "500 Internal Server Error",
    "503 Service Unavailable",
    "504 Gateway Timeout",
    "unexpected status code https://registry.example.com/v2/: 520",
    "StatusCode: 500",
    "InternalServerError: x",
    "ServiceUnavailableException: x",
    "InternalFailure: x",
]
DENIALS = [
    "AccessDeniedException: x",
    "AccessDenied: x",
    "UnauthorizedException: x",
    "the role is not authorized to do this",
    "role not authorized to perform this",
    "You are not authorized.",
    "Access Denied",
    "api error Forbidden: x",
    "StatusCode: 403",
    "status code: 401",
    "403 Forbidden",
    "401 Unauthorized",
]
PULL_DENIALS = [
    "no basic auth credentials",
    "denied: requested access to the resource is denied",
    "unauthorized: incorrect username or password",
    "unauthorized: authentication required",
    "insufficient_scope: authorization failed",
    "Check that the role has the permissions to pull images",
]
ABSENT_IMAGES = [
    "manifest unknown",
    "name unknown: The repository does not exist",
    "manifest for job:1 (digest) was not found",
    "404 Not Found",
    "failed to resolve ref job:1: not found",
    "Requested image not found",
    "repository with name 'job' does not exist in the registry",
    "invalid reference format",
]
PULLS = [
    "CannotPullContainerError: ",
    "CannotPullECRContainerError: ",
    "CannotPullContainer: ",
    "The task can't pull x. ",
]

# Each phrase by itself, because in the wording of a real failure two or three of them stand together.
PHRASES: list[Wording] = [
    *(("start-network", STOPPED, NOT_STARTED, fault) for fault in NETWORK_FAULTS),
    *(("start-server-fault", STOPPED, NOT_STARTED, fault) for fault in SERVER_FAULTS[:-1]),
    *(("start-denied", STOPPED, NOT_STARTED, denial) for denial in DENIALS),
    *(("call-denied", ANSWER, None, denial) for denial in DENIALS),
    *(("call-denied", ERROR, CLIENT, denial) for denial in DENIALS),
    *(
        ("image-pull-network", STOPPED, NOT_STARTED, PULL_IMAGE + text)
        for text in NETWORK_FAULTS + SERVER_FAULTS
    ),
    *(("image-pull-denied", STOPPED, NOT_STARTED, PULL_IMAGE + text) for text in DENIALS + PULL_DENIALS),
    *(("image-missing", STOPPED, NOT_STARTED, PULL_IMAGE + text) for text in ABSENT_IMAGES),
    *(("image-missing", STOPPED, NOT_STARTED, f"{pull}manifest unknown") for pull in PULLS),
    *(("image-pull-network", STOPPED, NOT_STARTED, f"{pull}i/o timeout") for pull in PULLS),
    *(
        ("image-pull-anonymous", STOPPED, NOT_STARTED, f"{pull}failed to fetch anonymous token")
        for pull in PULLS
    ),
    *(("image-pull-denied", STOPPED, NOT_STARTED, f"{pull}no basic auth credentials") for pull in PULLS),
    ("image-pull-denied", STOPPED, NOT_STARTED, "CannotPullContainerAuthError: x"),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}connect: invalid argument"),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}panic: runtime error: index out of range"),
    ("image-pull-network", STOPPED, NOT_STARTED, f"{PULL_IMAGE}error pulling image configuration: Get x"),
    ("fargate-capacity", ERROR, CLIENT, "The task was not placed: capacity is unavailable at this time"),
    ("fargate-capacity", ANSWER, None, CAPACITY_ENDING),
    ("task-had-run", STOPPED, None, "OutOfMemoryError"),
    ("task-had-run", STOPPED, None, "Container killed due to memory usage"),
    ("credentials-expired-text", ERROR, CLIENT, "ExpiredToken: x"),
    ("credentials-expired-text", ERROR, CLIENT, "The security token included in the request is expired"),
    (
        "credentials-expired-text",
        ERROR,
        "InvalidSignatureException",
        "Signature not yet current: 20261209T1Z",
    ),
    ("credentials-expired-text", STOPPED, NOT_STARTED, "Request has expired"),
    (
        "credentials-expired-text",
        STOPPED,
        NOT_STARTED,
        "Your authorization token has expired. Reauthenticate",
    ),
    ("role-not-assumable", ERROR, CLIENT, "Unable to assume role x"),
    ("role-not-assumable", STOPPED, NOT_STARTED, "Could not assume the execution role x"),
    ("registry-pull-quota", STOPPED, NOT_STARTED, "see https://www.docker.com/increase-rate-limits"),
    ("registry-pull-quota", STOPPED, NOT_STARTED, "You have reached your unauthenticated pull rate limit"),
    ("throttled-text", ERROR, INVALID, "x (ErrorCode: Throttling)"),
    ("throttled-text", STOPPED, NOT_STARTED, "429 Too Many Requests"),
    ("throttled-text", STOPPED, NOT_STARTED, "ThrottledException: x"),
    ("throttled-text", STOPPED, NOT_STARTED, "TooManyRequestsException: x"),
    ("throttled-text", ANSWER, None, "Your request was throttled, please slow down"),
    ("throttled-text", ANSWER, None, "(service web) operations are being throttled. Will try again later."),
    ("subnet-full", ANSWER, None, "Insufficient free addresses in subnet subnet-1"),
    ("subnet-full", ERROR, INVALID, "The subnet does not have enough free IP addresses"),
    ("ec2-capacity", STOPPED, NOT_STARTED, "InsufficientHostCapacity"),
    ("ec2-capacity", STOPPED, NOT_STARTED, "ReservationCapacityExceeded: x"),
    ("ec2-capacity", STOPPED, NOT_STARTED, "SpotMaxPriceTooLow: x"),
    ("ec2-quota", STOPPED, NOT_STARTED, "InstanceLimitExceeded: x"),
    ("host-port-taken", STOPPED, NOT_STARTED, "CannotStartContainerError: listen: address already in use"),
    ("subnet-or-group-missing", ERROR, INVALID, "x (ErrorCode: InvalidSubnet.Range)"),
    ("subnet-or-group-missing", ERROR, INVALID, "x (ErrorCode: InvalidGroupId.Malformed)"),
    ("subnet-or-group-missing", ERROR, INVALID, "x (ErrorCode: InvalidSecurityGroupID.NotFound)"),
    ("subnet-or-group-missing", ERROR, INVALID, "The security group 'sg-1' does not exist"),
    ("tag-policy", STOPPED, NOT_STARTED, "TagPolicyException: x"),
    ("secret-missing", STOPPED, NOT_STARTED, "ParameterNotFound: x"),
    (
        "secret-missing",
        STOPPED,
        NOT_STARTED,
        "from SSM Parameter Store in region x: invalid parameters: /job",
    ),
    ("image-wrong-platform", STOPPED, NOT_STARTED, "failed to find a descriptor for platform linux/arm64"),
    ("image-wrong-platform", STOPPED, NOT_STARTED, "no matching manifest for linux/amd64 in the list"),
    ("image-wrong-platform", STOPPED, NOT_STARTED, "no match for platform in manifest"),
    ("eni-setup", STOPPED, NOT_STARTED, "failed to setup network namespace"),
    ("connection-lost-text", ERROR, CLIENT, "Unable to execute HTTP request: x"),
    ("connection-lost-text", ERROR, CLIENT, "Unable to complete the request because it timed out"),
    ("connection-lost-text", ERROR, CLIENT, "connect timed out"),
    ("connection-lost-text", ERROR, None, "Could not connect to the endpoint URL: x"),
    ("connection-lost-text", ERROR, None, "Connect timeout on endpoint URL: x"),
    ("connection-lost-text", ERROR, None, "Connection was closed before we received a valid response"),
    ("connection-lost-text", ERROR, None, "('Connection aborted.', RemoteDisconnected())"),
    ("compute-strategy", ERROR, CLIENT, "Invalid 'cpu' setting for task."),
    ("efs-mount", STOPPED, NOT_STARTED, "mount.nfs4: Operation not permitted"),
    ("efs-mount", STOPPED, NOT_STARTED, "VolumeDriver.Mount: mounting volume failed"),
    ("efs-mount", STOPPED, NOT_STARTED, "failed to invoke EFS utils commands to set up EFS volumes"),
    (
        "ebs-volume",
        STOPPED,
        NOT_STARTED,
        "ECS failed to set up the EBS volume because of an encoding mismatch",
    ),
    ("log-driver", STOPPED, NOT_STARTED, "failed to validate logger args: x"),
    ("log-driver", STOPPED, NOT_STARTED, "unable to get awslogs driver arguments"),
    ("log-driver", STOPPED, NOT_STARTED, "failed to initialize logging driver: x"),
    *(
        ("container-not-startable", STOPPED, NOT_STARTED, f"CannotStartContainerError: {cause}")
        for cause in (
            "exec: executable file not found in $PATH",
            "stat /job: no such file or directory",
            "OCI runtime create failed: x",
            "permission denied",
            "operation not permitted",
            "no users found",
            "invalid header field value",
        )
    ),
    ("container-not-startable", STOPPED, NOT_STARTED, "CannotCreateContainerError: no users found"),
    (
        "container-not-startable",
        STOPPED,
        NOT_STARTED,
        "failed to create new container runtime task: permission denied",
    ),
    ("cluster-missing-text", ERROR, CLIENT, "Cluster not found."),
    ("task-definition-missing", ERROR, CLIENT, "Invalid revision number. Number: x"),
    ("capacity-provider-wrong", ERROR, INVALID, "The capacity provider spot is not valid."),
    ("network-configuration", ERROR, INVALID, "At least one security group must be supplied."),
]

KNOWN = [
    *PHRASES,
    *ANSWERS,
    *ERRORS,
    *STOPS,
    *HAD_RUN,
    *WENT_AWAY,
    *THREADS,
    *SPELLINGS,
    *DENIED_FIRST,
]

UNKNOWN: list[tuple[Origin, str | None, str]] = [
    # Nothing was said.
    (ANSWER, None, ""),
    (ANSWER, None, " .\n"),
    (ERROR, None, ""),
    (STOPPED, None, ""),
    (STOPPED, NOT_STARTED, ""),
    (STOPPED, NOT_STARTED, "TaskFailedToStart"),
    # The one-word reasons, as ordinary words.
    (ANSWER, None, "The agent of the instance is starting"),
    (ANSWER, None, "AGENTS"),
    (ANSWER, None, "User agent not allowed here"),
    (ANSWER, None, "The attribute ecs.os-type is reserved"),
    (ANSWER, None, "A parameter is missing"),
    (ANSWER, None, "MISSING: startedBy"),
    (ANSWER, None, "The service is inactive"),
    (ANSWER, None, "INACTIVE-2"),
    (ANSWER, None, "The location of the file is wrong"),
    (ANSWER, None, "RESOURCE"),
    (ANSWER, None, "RESOURCE:"),
    (ANSWER, None, "The resource: memory of an elephant"),
    (ANSWER, None, "RESOURCE:MEMORY is not what this is about"),
    (ANSWER, None, "There are no active instances of this bug"),
    (ANSWER, None, "An empty capacity provider is allowed"),
    # The one-word reasons are placement's: an exception does not speak like that.
    (ERROR, CLIENT, "AGENT"),
    (ERROR, CLIENT, "INACTIVE"),
    (ERROR, CLIENT, "RESOURCE:MEMORY"),
    # The words of capacity in another meaning.
    (ANSWER, None, "Capacity reservations are in preview"),
    (ANSWER, None, "The capacity of the queue is 10"),
    (ANSWER, None, "The feature is unavailable at this time"),
    (ANSWER, None, "Check whether capacity is unavailable"),
    (ANSWER, None, "You have reached the limit on the number of tags"),
    (ANSWER, None, "The limit on the number of tasks is 10"),
    (ANSWER, None, "No Services were found in your cluster."),
    # ClientException stands for a full queue, a missing role and an inactive task definition alike.
    (ERROR, CLIENT, ""),
    (ERROR, CLIENT, "Something that AWS has not said before."),
    (ERROR, "LimitExceededException", "The limit for the resource was exceeded."),
    (ERROR, "SomethingNewException", "Something that AWS has not said before."),
    (ERROR, "AmazonECSException", "Something that AWS has not said before."),
    # Codes that begin or end like known ones.
    (ERROR, "NotThrottlingException", ""),
    (ERROR, "ThrottlingPolicyNotFoundException", ""),
    (ERROR, "AccessDeniedByMoonException", ""),
    (ERROR, "5030", ""),
    (ERROR, "200", ""),
    # Codes of exceptions are no stop codes and the other way round.
    (ERROR, "UserInitiated", ""),
    (ERROR, NOT_STARTED, ""),
    (ANSWER, "ThrottlingException", "Something that AWS has not said before."),
    (ANSWER, "AccessDeniedException", ""),
    # The words that are looked for, in names that people give to things.
    (ERROR, CLIENT, "The role arn:aws:iam::123456789012:role/accessdenied-handler has no path"),
    (ERROR, CLIENT, "The role arn:aws:iam::123456789012:role/accessdenied has no path"),
    (ERROR, CLIENT, "The group sg-accessdenied has no path"),
    (ERROR, CLIENT, "The alarm throttlingexception-alarm has no path"),
    (ERROR, CLIENT, "The topic topic/toomanyrequests has no path"),
    (ERROR, CLIENT, "The queue internalerror-queue/x-internalerror has no path"),
    (STOPPED, NOT_STARTED, f"{PULL_SECRETS}secret:rate-exceeded-alerts has a bad version"),
    (STOPPED, NOT_STARTED, f"{PULL_SECRETS}secret:x/accessdeniedexception has a bad version"),
    (STOPPED, NOT_STARTED, f"{PULL_SECRETS}group /ecs/throttling-service has a bad name"),
    (STOPPED, NOT_STARTED, f"{PULL_SECRETS}group /ecs/throttlingexception has a bad name"),
    (STOPPED, NOT_STARTED, f"{PULL_IMAGE}failed to resolve ref registry.example.com/job: eof-parser"),
    (STOPPED, NOT_STARTED, f"{PULL_IMAGE}failed to resolve ref registry.example.com/manifest-store:1"),
    (STOPPED, NOT_STARTED, f"{PULL_IMAGE}failed to resolve ref registry.example.com/not-found:1"),
    (STOPPED, NOT_STARTED, "Container timeout-watcher did not report"),
    (STOPPED, NOT_STARTED, "Container server500 did not report"),
    # AWS cut the cause off.
    (STOPPED, NOT_STARTED, f"{PULL_IMAGE}pull image manifest has been retried 5 time(s): failed to resol..."),
    (STOPPED, NOT_STARTED, PULL_SECRETS),
    # What is said about an image means nothing elsewhere, and half a family name is no cause.
    (STOPPED, NOT_STARTED, "The volume vol-0123456789abcdef0: not found"),
    (STOPPED, NOT_STARTED, "CannotStartContainerError: no such luck"),
    (STOPPED, NOT_STARTED, "permission denied"),
    # A task that ran says so at the beginning; a name in the middle does not.
    (STOPPED, NOT_STARTED, "The rule outofmemoryerror is not one of ours"),
    (STOPPED, NOT_STARTED, "The container was not stopped by user"),
]
