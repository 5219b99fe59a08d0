"""What ECS reports when a task does not start, and the category of each failure: the rules, as data.

Rows are tried from the top and the first match decides, so a row for one cause stands above the row for a family of
causes, and what must be fixed stands above what passes on its own. Nothing here matches, retries or waits:
``classify`` reads the table, and the policy decides what to do.

Patterns are written for the text that ``classify.normalise`` returns (lower case, single spaces, straight quotes, no
trailing full stop). They must stay linear: no open quantifier inside a repeated group, and a bound on every gap. AWS
truncates long reasons in the middle of a word, so few patterns are anchored at the end.

AWS's wording is not a contract. Every row names where its wording was seen; the URLs were read in November 2026.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass

from retry_run_task.launch.values import Category, Origin

_PERMISSION, _CONFIGURATION = Category.PERMISSION, Category.CONFIGURATION
_CAPACITY, _TRANSIENT, _THROTTLE = Category.CAPACITY, Category.TRANSIENT, Category.THROTTLE
_UNKNOWN = Category.UNKNOWN

_EVERYWHERE = frozenset(Origin)
_ERROR = frozenset({Origin.ERROR})
_STOPPED = frozenset({Origin.STOPPED})
_PLACEMENT = frozenset({Origin.ANSWER, Origin.STOPPED})
_CALL = frozenset({Origin.ANSWER, Origin.ERROR})


@dataclass(frozen=True, slots=True)
class Row:
    """One rule: a failure that meets every condition has this category.

    Attributes:
        name: Kebab-case, unique; printed by logs, metrics and ``explain``.
        origins: Where AWS must have reported it.
        codes: Exception or stop codes, in AWS's spelling, of which the failure must carry one; empty for any.
        other_than: The failure must carry a code that is none of these; empty for no such condition.
        texts: Patterns on the normalised text, of which one must be found; empty for any text.
        also: Further patterns, of which one must be found as well; empty for no such condition.
        has_run: Whether something in the task must have run.
        says: An example in AWS's words.
        hint: One sentence on what to do; empty if waiting is enough.
        evidence: URLs where AWS, or an observer, documents it.
    """

    name: str
    category: Category
    origins: frozenset[Origin]
    _: KW_ONLY
    codes: frozenset[str] = frozenset()
    other_than: frozenset[str] = frozenset()
    texts: tuple[re.Pattern[str], ...] = ()
    also: tuple[re.Pattern[str], ...] = ()
    has_run: bool = False
    says: str
    hint: str = ""
    evidence: tuple[str, ...]


def _codes(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _said(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


# Names of roles, images and log groups occur in these texts and may contain the very words that are searched, as in
# "role/accessdenied-handler"; so the characters on both sides are checked.
def _coded(*names: str) -> tuple[re.Pattern[str], ...]:
    return _said(rf"(?<![\w/:-])(?:{'|'.join(names)})(?![\w/-])")


def _guide(*pages: str) -> tuple[str, ...]:
    return tuple(f"https://docs.aws.amazon.com/AmazonECS/latest/developerguide/{page}.html" for page in pages)


def _github(*threads: str) -> tuple[str, ...]:
    return tuple(f"https://github.com/{thread}" for thread in threads)


_RUN_TASK = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html"
_COMMON_ERRORS = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html"
_EC2_ERRORS = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"
_WHY_STOPPED = "https://repost.aws/knowledge-center/ecs-task-stopped"
_DAGSTER = _github(
    "dagster-io/dagster/blob/master/python_modules/libraries/dagster-aws/dagster_aws/ecs/utils.py"
)

_DENIED = (
    *_coded(r"accessdenied(?:e\w{0,30})?", r"unauthorized(?:operation|exception)"),
    *_said(
        r"\bis not authorized to\b",
        r"\bnot authorized to perform\b",
        r"\byou are not authorized\b",
        r"\baccess denied\b",
        r"\bapi error forbidden\b",
        r"\bstatus ?code: 40[13]\b",
        r"\b40[13] (?:forbidden|unauthorized)\b",
    ),
)

_PULL_DENIED = _said(
    r"\bno basic auth credentials\b",
    r"\brequested access to the resource is denied\b",
    r"\bincorrect username or password\b",
    r"\bauthentication required\b",
    r"\bauthorization failed\b",
    r"\bhas the permissions to pull\b",
    r"\bcannotpullcontainerautherror\b",
)

# The list on AWS's page on ResourceInitializationError, and how Go and Docker word it. The end of "context canceled" is
# often cut off.
_NETWORK = _said(
    r"\bdial (?:tcp|udp)\b",
    r"\bi/o timeout\b",
    r"\btls handshake timeout\b",
    r"\b(?:connection|connect|read|operation) timed out\b",
    r"\bclient\.timeout\b",
    r"\bnet/http: (?:request|tls)\b",
    r"\brequest (?:context )?cancel",
    r"\bsend request failed\b",
    r"\brequest(?:canceled|error): ",
    r"\bcontext (?:deadline|cancel)",
    r"\bcontext (?:c|ca|can|canc|cance|d|de|dea|dead)$",
    r"\bsignal: killed\b",
    r"\bconnection (?:reset|refused)\b",
    r"\bbroken pipe\b",
    r"\bunexpected eof\b",
    r": eof(?![\w./-])",
    r"\bno route to host\b",
    r"\bnetwork is unreachable\b",
    r"\bname resolution\b",
    r"\bserver misbehaving\b",
    r"\bno such host\b",
    r"\bconnection issue between\b",
    r"\bcheck your (?:task )?network (?:configuration|connection)\b",
    r"\bcould not reach any registry endpoint\b",
    r"\bfailed due to timeout\b",
)

_SERVER_FAULT = (
    *_coded(r"(?:internalserver|internalservice|serviceunavailable)(?:error|exception)?", "internalfailure"),
    *_said(
        r"\b5\d\d (?:internal server error|bad gateway|service unavailable|gateway time-?out)\b",
        r"\bunexpected status(?: code)?\b.{0,400}: 5\d\d\b",
        r"\bstatus ?code: 5\d\d\b",
    ),
)

_EFS = _said(r"\bfailed to invoke efs utils\b", r"\bmount\.nfs4\b", r"\bvolumedriver\.(?:create|mount)\b")

_PULL = _said(
    r"\bcannotpull\w*error\b",
    r"\bcannotpullcontainer\b",
    r"\bthe task can(?:no|')t pull (?!secrets?\b|the secret\b)",
)

STOP_CODES = frozenset({
    "TaskFailedToStart", "EssentialContainerExited", "UserInitiated", "ServiceSchedulerInitiated",
    "SpotInterruption", "TerminationNotice", "InfrastructureHealth",
})  # fmt: skip
"""What AWS's model has. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html (stopCode)"""

# With these the host or its capacity was lost, under a task that ran or did not: the task's state tells which.
_HOST_GONE = frozenset({"SpotInterruption", "TerminationNotice", "InfrastructureHealth"})

# The rows are laid out by hand, as a table: the formatter would give each of their values lines of its own.
# fmt: off

# A task that had started must never be started again by us, whatever its reason says: the reason that a user passes to
# StopTask can be any text. So these rows come first, and none has a category that retries.
_HAD_STARTED = (
    Row("spot-took-a-running-task", _CONFIGURATION, _STOPPED,
        codes=_codes("SpotInterruption"),
        has_run=True,
        says="Your Spot Task was interrupted.",
        hint="The task was at work when AWS took the Spot capacity back, so start it again by hand if it may "
             "run twice, or run it on demand.",
        evidence=(*_guide("spot-interruption-errors"), *_github("aws/containers-roadmap/issues/1565"))),
    # Without an exit code ECS says nothing about the container's process; with one, the process has ended.
    Row("container-ran", _CONFIGURATION, _STOPPED,
        has_run=True,
        says="CannotStartContainerError: dependency graph: failed to resolve container ordering dependency "
             "[migrate(job) (STOPPED->RUNNING) - Exit: 1] for target [app(job) (NONE->RUNNING)] as dependency "
             "did not exit successfully",
        hint="A container of the task has run: read its log and see what it did, and start the task by hand if "
             "it may run twice.",
        evidence=("https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Container.html",
                  *_github("aws/amazon-ecs-agent/pull/3218"))),
    Row("stopped-by-a-person", _CONFIGURATION, _STOPPED,
        codes=_codes("UserInitiated"),
        says="Task stopped by user",
        hint="Someone stopped the task on purpose: ask them before you start it again.",
        evidence=(_WHY_STOPPED,)),
    Row("container-exited", _CONFIGURATION, _STOPPED,
        codes=_codes("EssentialContainerExited"),
        says="Essential container in task exited",
        hint="Read the container's exit code, reason and log, and start the task by hand if it may run twice.",
        evidence=(_WHY_STOPPED,)),
    # Written as "any code but these" so that a stop code that AWS adds later is safe as well.
    Row("stopped-after-start", _CONFIGURATION, _STOPPED,
        other_than=frozenset({"TaskFailedToStart", *_HOST_GONE}),
        says="Scaling activity initiated by (deployment ecs-svc/1234567890123456789)",
        hint="Look at what the task did before it was stopped, and start it by hand if it may run twice.",
        evidence=(_WHY_STOPPED, "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html")),
    Row("task-had-run", _CONFIGURATION, _STOPPED,
        texts=_said(r"^(?:an )?essential container in (?:the )?task exited\b",
                    r"^task failed (?:elb|container) health checks\b",
                    r"^scaling activity initiated\b",
                    r"^(?:task )?stopped by user\b",
                    r"^outofmemoryerror\b",
                    r"\bcontainer killed due to memory usage\b",
                    r"^cannotstopcontainererror\b"),
        says="OutOfMemoryError: Container killed due to memory usage",
        hint="Look at what the task did before it ended, and start it by hand if it may run twice.",
        evidence=(_WHY_STOPPED, *_guide("out-of-memory", "cannot-stop-container"))),
)

HAD_STARTED = frozenset(row.name for row in _HAD_STARTED)
"""Rows of tasks that were stopped on purpose or that may have run, whatever the request was."""

REPEATED = frozenset({"server-fault", "connection-lost", "throttled", "throttled-text"})
"""Rows of errors that EventBridge retries according to its documentation: 5xx, lost answers and throttles.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
"""

# Whether a call was allowed is decided by its code alone, before any text is read: a call that AWS denied is never made
# again on the caller's behalf, even if its message mentions capacity or a time-out.
_DENIED_AND_EXPIRED = (
    Row("access-denied", _PERMISSION, _ERROR,
        codes=_codes("AccessDenied AccessDeniedException UnauthorizedOperation UnauthorizedException "
                     "NotAuthorized AuthorizationError Forbidden 401 403"),
        says="AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/events/session is not "
             "authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/task",
        hint="Give the caller the permission that the text names, on the resource that it names.",
        evidence=(_COMMON_ERRORS,
                  *_guide("CWE_IAM_role"),
                  *_github("aws/aws-cdk/issues/16093", "aws/aws-cdk/issues/28854"))),
    Row("account-blocked", _PERMISSION, _ERROR,
        codes=_codes("BlockedException Blocked AccountProblem"),
        says="BlockedException: Your AWS account was blocked. For more information, contact AWS Support.",
        hint="AWS has blocked the account: contact AWS Support.",
        evidence=(_RUN_TASK, _EC2_ERRORS)),
    Row("account-blocked-text", _PERMISSION, _EVERYWHERE,
        texts=_said(r"\baccount (?:is|was|has been) (?:currently )?blocked\b"),
        says="This account is currently blocked and not recognized as a valid account.",
        hint="AWS has blocked the account: contact AWS Support.",
        evidence=_github("clowdhaus/eks-reference-architecture/issues/12", "coiled/feedback/issues/225")),
    Row("credentials-rejected", _PERMISSION, _ERROR,
        codes=_codes("UnrecognizedClientException InvalidClientTokenId InvalidAccessKeyId "
                     "MissingAuthenticationToken AuthFailure OptInRequired SubscriptionRequiredException "
                     "NoCredentialsError PartialCredentialsError"),
        says="UnrecognizedClientException: The security token included in the request is invalid.",
        hint="AWS does not accept the caller's credentials here: check the role, the account and the Region.",
        evidence=(_COMMON_ERRORS, *_github("sat-utils/sat-api/issues/136"))),
    Row("credentials-expired", _TRANSIENT, _ERROR,
        codes=_codes("ExpiredToken ExpiredTokenException RequestExpired RequestTimeTooSkewed "
                     "RequestInTheFuture CredentialRetrievalError"),
        says="ExpiredTokenException: The security token included in the request is expired",
        evidence=(_COMMON_ERRORS, *_github("aws-samples/cdk-fargate-gitlab-runner/issues/15"))),
    Row("credentials-expired-text", _TRANSIENT, _EVERYWHERE,
        texts=(*_coded("expiredtoken(?:exception)?"),
               *_said(r"\bsecurity token included in the request is expired\b",
                      r"\bsignature expired\b",
                      r"\bsignature not yet current\b",
                      r"\brequest has expired\b",
                      r"\bauthorization token has expired\b")),
        says="InvalidSignatureException: Signature expired: 20261209T104625Z is now earlier than "
             "20261210T033904Z (20261210T034404Z - 5 min.)",
        hint="If it stays, check the clock of the machine that signs the call.",
        evidence=_github("fabfuel/ecs-deploy/issues/126", "mapbox/ecs-watchbot/issues/61")),
    Row("throttled", _THROTTLE, _ERROR,
        codes=_codes("Throttling ThrottlingException ThrottledException Throttled EC2ThrottledException "
                     "RequestThrottled RequestThrottledException RequestLimitExceeded TooManyRequests "
                     "TooManyRequestsException SlowDown PriorRequestNotComplete 429"),
        says="ThrottlingException: Rate exceeded",
        evidence=_guide("request-throttling", "throttling")),
    # IAM needs some seconds to propagate a new role, so this can pass without help. It is a permission failure
    # nevertheless: a schedule's role is rarely seconds old, and a broken trust policy stays broken.
    Row("role-not-assumable", _PERMISSION, _EVERYWHERE,
        texts=_said(r"\becs was unable to assume the (?:role|configured ecs infrastructure role)\b",
                    r"\b(?:cannot|can't|could not|unable to) assume (?:the )?(?:task |execution |provided )?role\b",
                    r"\brole\b.{0,200} (?:cannot|can't|could not) be assumed\b"),
        says="ECS was unable to assume the role 'arn:aws:iam::123456789012:role/task' that was provided for "
             "this task. Please verify that the role being passed has the proper trust relationship and "
             "permissions and that your IAM user has permissions to pass this role.",
        hint="Let ecs-tasks.amazonaws.com (for volumes: ecs.amazonaws.com) assume the role that the text "
             "names; if the role is minutes old, start the task again by hand.",
        evidence=(*_guide("troubleshoot-ebs-volumes-scenarios"),
                  *_github("pulumi/pulumi-awsx/issues/927", "boto/boto3/issues/1878",
                           "aws-samples/aws-modern-application-workshop/issues/232"))),
    Row("image-pull-denied", _PERMISSION, _STOPPED,
        texts=_PULL,
        also=(*_DENIED, *_PULL_DENIED),
        says="CannotPullContainerError: The task can\u2019t pull the image. Check that the role has the "
             "permissions to pull images from the registry. Error response from daemon: pull access denied for "
             "123456789012.dkr.ecr.us-east-1.amazonaws.com/job, repository does not exist or may require "
             "'docker login'",
        hint="Check that the image exists and that the execution role, on EC2 the instance's role, or the "
             "registry's credentials may pull it.",
        evidence=(*_guide("task_cannot_pull_image"),
                  *_github("aws/aws-cdk/issues/14457", "aws-samples/bedrock-access-gateway/issues/114",
                           "aws/amazon-ecs-agent/issues/2137"))),
    # Above every time-out: if one of the tries was denied, more tries will be denied too.
    Row("start-denied", _PERMISSION, _STOPPED,
        texts=_DENIED,
        says="ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
             "retrieval failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
             "operation error SSM: GetParameters, https response error StatusCode: 400, api error "
             "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/execution/x is not "
             "authorized to perform: ssm:GetParameters",
        hint="Give the role that the text names the permission that it names; for secrets, environment files "
             "and logs that is the task's execution role.",
        evidence=(*_guide("resource-initialization-error"),
                  *_github("aws-samples/dify-self-hosted-on-aws/pull/35"))),
    Row("call-denied", _PERMISSION, _CALL,
        texts=_DENIED,
        says="You are not authorized to perform this operation. (ErrorCode: UnauthorizedOperation)",
        hint="Give the role that the text names the permission that it names.",
        evidence=(_COMMON_ERRORS, _EC2_ERRORS)),
)

_THROTTLED = (
    # Above the throttles, because Docker Hub's allowance is counted over hours, not seconds.
    Row("registry-pull-quota", _TRANSIENT, _STOPPED,
        texts=_said(r"\bpull rate limit\b", r"\bincrease-rate-limits?\b"),
        says="CannotPullContainerError: inspect image has been retried 5 time(s): httpReaderSeeker: failed "
             "open: unexpected status code https://registry-1.docker.io/v2/library/alpine/manifests/latest: "
             "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.",
        hint="If it stays, pull through Amazon ECR, or log in to the registry: its limit counts pulls over "
             "hours.",
        evidence=(*_guide("task_cannot_pull_image"),
                  "https://repost.aws/knowledge-center/ecs-pull-container-error-rate-limit")),
    # ECS looks up subnets and security groups in EC2, and passes EC2's throttle on as a client error.
    Row("throttled-text", _THROTTLE, _EVERYWHERE,
        texts=(*_coded("requestlimitexceeded", "throttl(?:ing|ed)exception", "toomanyrequests(?:exception)?"),
               *_said(r"\brate exceeded\b",
                      r"\brequest limit exceeded\b",
                      r"\berror ?code: throttl",
                      r"\b429 too many requests\b",
                      r"\brequests? (?:is|are|was|were|has been|have been) (?:being )?throttled\b",
                      r"\boperations are being throttled\b")),
        says="Error retrieving subnet information for [subnet-0123456789abcdef0]: Rate exceeded (ErrorCode: "
             "Throttling)",
        evidence=(*_guide("request-throttling"),
                  *_github("dagster-io/dagster/issues/33439", "dask/dask-cloudprovider/issues/56",
                           "reproio/wrapbox/issues/32", "cdklabs/construct-hub/pull/415"))),
)

_NO_ROOM = (
    Row("fargate-capacity", _CAPACITY, _EVERYWHERE,
        texts=_said(r"\bcapacity is unavailable at this time\b",
                    r"^(?:fargate )?(?:spot )?capacity is (?:currently |temporarily )?unavailable\b",
                    r"\btry again later or in a different availability zone\b"),
        says="Capacity is unavailable at this time. Please try again later or in a different availability zone",
        evidence=("https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity",
                  *_guide("service-event-messages-list"),
                  *_github("gchq/sleeper/issues/904", "sil-org/ecs-deploy/issues/277"))),
    # The rows above say "had run"; here the task's state shows that it had not, or the state is unknown.
    Row("spot-reclaimed", _CAPACITY, _STOPPED,
        codes=_codes("SpotInterruption"),
        says="SpotInterruption",
        hint="If it stays, add Availability Zones, or run the task on demand.",
        evidence=_guide("spot-interruption-errors")),
    Row("spot-reclaimed-text", _CAPACITY, _STOPPED,
        texts=_said(r"\byour spot task was interrupted\b",
                    r"^spotinterruption(?:error)?\b",
                    r"\bspot instance interruption\b"),
        says="Your Spot Task was interrupted.",
        hint="If it stays, add Availability Zones, or run the task on demand.",
        evidence=(*_guide("spot-interruption-errors"), *_github("aws/containers-roadmap/issues/1565"))),
    # "vCPUs", "tasks" and "spot tasks" have all been seen, and the quota frees itself as tasks end.
    Row("fargate-quota", _CAPACITY, _EVERYWHERE,
        texts=_said(r"\breached the limit on the number of .{1,60} you can run concurrently\b"),
        says="You've reached the limit on the number of vCPUs you can run concurrently",
        hint="It passes when other tasks end; if it comes often, ask for a higher Fargate vCPU quota.",
        evidence=(*_guide("service-event-messages-list"),
                  *_github("paradisec-archive/nabu/pull/1254", "wellcomecollection/platform/issues/3875",
                           "aws/copilot-cli/issues/2685"))),
    Row("provisioning-queue-full", _CAPACITY, _EVERYWHERE,
        texts=_said(r"\bprovisioning capacity limit (?:was )?exceeded\b"),
        says="Tasks provisioning capacity limit exceeded.",
        hint="If it comes often, spread the schedules or use two clusters: 500 tasks of a cluster may wait for "
             "instances.",
        evidence=(_RUN_TASK,
                  *_github("DIAGNijmegen/rse-grand-challenge/pull/2013", "aws/aws-sdk-ruby/issues/3047"))),
    Row("no-container-instances", _CAPACITY, _EVERYWHERE,
        texts=_said(r"\bno container instances were found in your (?:cluster|capacity provider)\b"),
        says="No Container Instances were found in your cluster.",
        hint="Leave the schedule's launch type EC2 out if the cluster has a capacity provider, and look at the "
             "Auto Scaling group's activity: the account's EC2 vCPU quota may be used up.",
        evidence=(*_guide("service-event-messages-list"),
                  *_github("aws/aws-cdk/issues/30171", "aws/containers-roadmap/issues/2532",
                           "aws-samples/cost-effective-aws-deployment-of-comfyui/issues/39",
                           "aws-samples/amazon-scalable-infra-discord-diffusion/issues/3"))),
    Row("no-active-instances", _CAPACITY, _PLACEMENT,
        texts=_said(r"^no active instances$", r"^empty capacity provider$"),
        says="TaskFailedToStart: EMPTY CAPACITY PROVIDER",
        hint="If it stays, check that the Auto Scaling group can launch instances and that they join the "
             "cluster.",
        evidence=_guide("api_failures_messages")),
    # Whatever follows the colon: AWS documents CPU, MEMORY, ENI and GPU, and PORTS was seen as well.
    Row("instance-resources", _CAPACITY, _PLACEMENT,
        texts=_said(r"^resource: ?[\w*:-]{1,60}(?:[ ,;]{1,3}resource: ?[\w*:-]{1,60}){0,30}$",
                    r"\bhas insufficient (?:cpu units|memory) available\b",
                    r"\bis already using a port required by your task\b",
                    r"\bno container instance met all of its requirements$"),
        says="RESOURCE:MEMORY",
        hint="If it stays, add instances that are big enough for the task, or let the cluster grow.",
        evidence=(*_guide("api_failures_messages", "service-event-messages-list"),
                  *_github("PrefectHQ/prefect/issues/20765", "aws/containers-roadmap/issues/1705"))),
    Row("subnet-full", _CAPACITY, _EVERYWHERE,
        texts=(*_coded("insufficientfreeaddressesinsubnet"),
               *_said(r"\binsufficient free addresses in subnet\b",
                      r"\bnot (?:have )?enough free (?:ip )?addresses\b")),
        says="Unexpected EC2 error while attempting to Create Network Interface in subnet "
             "'subnet-0123456789abcdef0': InsufficientFreeAddressesInSubnet",
        hint="Give the task a larger subnet, or more subnets.",
        evidence=(*_guide("failed-to-start-error"), *_github("paradisec-archive/nabu/pull/1259"), *_DAGSTER)),
    # Managed Instances pass EC2's error on inside a ResourceInitializationError.
    Row("ec2-capacity", _CAPACITY, _EVERYWHERE,
        texts=_coded("insufficientinstancecapacity",
                     "unfulfillablecapacity",
                     "insufficienthostcapacity",
                     "reservationcapacityexceeded",
                     "spotmaxpricetoolow"),
        says="ResourceInitializationError: Unable to launch instance(s) for capacity provider spot. "
             "UnfulfillableCapacity: Unable to fulfill capacity due to your request configuration. Please "
             "adjust your request and try again.",
        hint="If it stays, allow the capacity provider more instance types and more Availability Zones.",
        evidence=(_EC2_ERRORS, *_github("k-k1/agent-fleet"))),
    Row("ec2-quota", _CAPACITY, _EVERYWHERE,
        texts=(*_coded("vcpulimitexceeded",
                       "maxspotinstancecountexceeded",
                       "instancelimitexceeded",
                       "networkinterfacelimitexceeded"),
               *_said(r"\bmore vcpu capacity than your current vcpu limit\b")),
        says="ResourceInitializationError: Unable to launch instance(s) for capacity provider spot. "
             "MaxSpotInstanceCountExceeded: Max spot instance count exceeded.",
        hint="It passes when other instances end; if it comes often, ask for a higher EC2 quota.",
        evidence=(_EC2_ERRORS, *_github("k-k1/agent-fleet"))),
    Row("host-port-taken", _CAPACITY, _STOPPED,
        texts=_said(r"\bport is already allocated\b", r"\baddress already in use\b"),
        says="CannotStartContainerError: bind for 0.0.0.0:8080 failed: port is already allocated",
        hint="If it stays, let ECS choose the host port (hostPort 0), or add instances.",
        evidence=(*_guide("service-event-messages-list"),
                  "https://www.fixdevs.com/blog/aws-ecs-task-failed-to-start/")),
    Row("eni-slots-taken", _CAPACITY, _STOPPED,
        texts=_said(r"\bunable to attach network interface to unused device index\b"),
        says="Unable to attach network interface to unused device index",
        hint="If it stays, use instances that hold more network interfaces, or turn on ENI trunking.",
        evidence=_guide("failed-to-start-error", "container-instance-eni")),
)

# One word or phrase is the whole reason. The patterns are anchored because each is also an ordinary word.
_WHOLE_REASONS = (
    Row("agent-disconnected", _TRANSIENT, _PLACEMENT,
        texts=_said(r"^agent$",
                    r"\bencountered error \"agent\b",
                    r"\btimed out waiting for amazon ecs agent to start\b"),
        says="AGENT",
        hint="If it stays, restart the ECS agent of the container instance, or replace the instance.",
        evidence=(*_guide("api_failures_messages"),
                  "https://repost.aws/knowledge-center/ecs-agent-disconnected-linux2-ami",
                  *_github("treasure-data/digdag/pull/1723", "dagster-io/dagster/pull/34125"))),
    Row("attribute-missing", _CONFIGURATION, _PLACEMENT,
        texts=_said(r"^attribute$"),
        says="ATTRIBUTE",
        hint="Add instances to these subnets that have what the task definition needs, such as its network "
             "mode or log driver, or change the task definition.",
        evidence=_guide("api_failures_messages")),
    # Each of its tasks needs an instance of its own: one is free as soon as another task ends.
    Row("no-distinct-instance", _CAPACITY, _PLACEMENT,
        texts=_said(r"\bdistinctinstance placement constraint unsatisfied\b"),
        says="DistinctInstance placement constraint unsatisfied.",
        hint="If it stays, add instances: each task of the group needs one of its own.",
        evidence=_guide("api_failures_messages", "task-placement-constraints")),
    Row("placement-constraint", _CONFIGURATION, _PLACEMENT,
        texts=_said(r"\bplacement constraint unsatisfied\b"),
        says="MemberOf placement constraint unsatisfied.",
        hint="No instance of the cluster meets the placement constraints: change them, or add instances that "
             "do.",
        evidence=_guide("api_failures_messages")),
    Row("launch-type-missing", _CONFIGURATION, _PLACEMENT,
        texts=_said(r"^launch_type$"),
        says="LAUNCH_TYPE",
        hint="Ask for a launch type of which the cluster has instances: EC2, or EXTERNAL for your own "
             "machines.",
        evidence=_guide("api_failures_messages", "ecs-anywhere")),
    Row("wrong-location", _CONFIGURATION, _PLACEMENT,
        texts=_said(r"^location$"),
        says="LOCATION",
        hint="Add a subnet in an Availability Zone in which the cluster has instances.",
        evidence=_guide("api_failures_messages")),
    Row("instance-missing", _CONFIGURATION, _PLACEMENT,
        texts=_said(r"^missing$"),
        says="MISSING",
        hint="Correct the schedule's cluster and Region: what the failure's ARN names is not there.",
        evidence=_guide("api_failures_messages")),
    Row("instance-inactive", _CONFIGURATION, _PLACEMENT,
        texts=_said(r"^inactive$"),
        says="INACTIVE",
        hint="Choose another instance or cluster: what the failure's ARN names has been deregistered.",
        evidence=_guide("api_failures_messages")),
    Row("above-quota", _CONFIGURATION, _EVERYWHERE,
        texts=_said(r"\bconfiguration is above your limit\b"),
        says="The requested CPU configuration is above your limit",
        hint="The task alone is larger than the account's quota: ask for a higher one, or make the task "
             "smaller.",
        evidence=(*_guide("service-event-messages-list"),
                  *_github("dask/dask-cloudprovider/issues/300"),
                  "https://gitlab.com/gitlab-org/ci-cd/custom-executor-drivers/fargate/-/issues/41")),
)

# A service answered that something does not exist, so a time-out beside it is not the cause.
_NAMED_AND_ABSENT = (
    Row("subnet-or-group-missing", _CONFIGURATION, _EVERYWHERE,
        texts=_said(r"\binvalidsubnetid\.\w",
                    r"\binvalidsubnet\.",
                    r"\binvalidgroup(?:id)?\.\w",
                    r"\binvalidsecuritygroupid\.",
                    r"\bthe (?:subnet id|security group) '[^']{1,80}' does not exist\b"),
        says="Error retrieving subnet information for [subnet-0123456789abcdef0]: The subnet ID "
             "'subnet-0123456789abcdef0' does not exist (ErrorCode: InvalidSubnetID.NotFound)",
        hint="Put subnets and security groups that exist in this account and Region into the schedule.",
        evidence=(_EC2_ERRORS, *_github("eddmann/serverless-fargate/issues/20"))),
    Row("tag-policy", _CONFIGURATION, _EVERYWHERE,
        texts=_coded("tagpolicy(?:violation|exception)"),
        says="Unexpected EC2 error while attempting to tag the network interface: TagPolicyViolation",
        hint="Change the task's tags so that they meet the organisation's tag policy, or change the policy.",
        evidence=("https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_tag-policies.html",)),
    Row("secret-missing", _CONFIGURATION, _STOPPED,
        texts=(*_coded("parameternotfound"),
               *_said(r"\bcan(?:'t|not) find the specified secret(?! value)\b",
                      r"\bcheck whether the secret exists\b",
                      r"\binvalid ssm parameters\b",
                      r"\bssm parameter store\b.{0,80}\binvalid parameters\b")),
        says="Fetching secret data from AWS Secrets Manager in region us-east-1: secret "
             "arn:aws:secretsmanager:us-east-1:123456789012:secret:token: ResourceNotFoundException: Secrets "
             "Manager can't find the specified secret.",
        hint="Create the secret or parameter in the task's Region, or correct its name in the task definition.",
        evidence=_guide("resource-not-found-error")),
    Row("secret-empty", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bcan(?:'t|not) find the specified secret value\b",
                    r"\bsecret\b.{0,200}\b(?:is empty|has no value)\b"),
        says="ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret "
             "from asm: ResourceNotFoundException: Secrets Manager can't find the specified secret value for "
             "staging label: AWSCURRENT",
        hint="Put a value into the secret: it exists and holds none of the version that is asked for.",
        evidence=(*_guide("resource-not-found-error"),
                  "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html")),
    Row("secret-malformed", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bdid not contain json key\b",
                    r"\binvalid character '.{1,4}' (?:in|looking for|after)\b"),
        says="ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
             "retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): "
             "retrieved secret from Secrets Manager did not contain json key TOKEN",
        hint="Make the secret a JSON object that has the key which the task definition asks for.",
        evidence=(*_guide("resource-initialization-error"),
                  *_github("rileydakota/valheim-ecs-fargate-cdk/issues/9"))),
    Row("log-group-missing", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bthe specified log (?:group|stream) does not exist\b"),
        says="ResourceInitializationError: failed to validate logger args: create stream has been retried 1 "
             "times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log "
             "group does not exist.",
        hint="Create the log group, or let the log driver create it (awslogs-create-group).",
        evidence=(*_guide("resource-initialization-error"),
                  *_github("cn-terraform/terraform-aws-ecs-fargate-task-definition/issues/1"))),
    Row("image-missing", _CONFIGURATION, _STOPPED,
        texts=_PULL,
        also=_said(r"\b(?:manifest|name)[ _]unknown\b",
                   r"\b(?:manifest|image|tag|repository)\b.{1,300} not found(?![\w/:-])",
                   r"\b404 not found\b",
                   r"\((?:http )?404\)|: 404$",
                   r": not found(?![\w-])",
                   r"\bimage not found\b",
                   r"\bno such (?:image|manifest)\b",
                   r"\bdoes not exist in the registry\b",
                   r"\b(?:image|repository)notfoundexception\b",
                   r"\binvalid reference format\b"),
        says="CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref "
             "123456789012.dkr.ecr.us-east-1.amazonaws.com/job:latest: not found",
        hint="Push the image, or correct its name, tag or digest in the task definition.",
        evidence=(*_guide("task_cannot_pull_image"), *_github("aws/containers-roadmap/issues/2687"))),
    Row("image-wrong-platform", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bdoes not contain descriptor matching platform\b",
                    r"\bfailed to find a descriptor for platform\b",
                    r"\bno match(?:ing manifest)? for (?:platform|[a-z]+/[a-z0-9]+)\b",
                    r"\bexec format error\b"),
        says="CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does "
             "not contain descriptor matching platform 'linux/amd64'.",
        hint="Build the image for the task's processor architecture, or set the task's runtime platform.",
        evidence=_github("aws/containers-roadmap/issues/1120", "hashicorp/consul-ecs/issues/64")),
    Row("disk-full", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bno space left on device\b", r"\bthin pool has \d{1,12} free data blocks\b"),
        says="CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob111111111: no space left on "
             "device",
        hint="Free the instance's disk, or give the instance, on Fargate the task's ephemeral storage, more "
             "space.",
        evidence=(*_guide("task_cannot_pull_image", "CannotCreateContainerError"),
                  *_github("aws/amazon-ecs-agent/issues/1434"))),
)

_PASSING = (
    Row("host-gone", _TRANSIENT, _STOPPED,
        codes=_codes("TerminationNotice InfrastructureHealth"),
        says="TerminationNotice",
        hint="If it comes often, spread the task over more Availability Zones or instances.",
        evidence=("https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html",)),
    Row("host-gone-text", _TRANSIENT, _STOPPED,
        texts=_said(r"^host ec2 \(instance [\w-]{1,40}\) (?:stopped|terminated)\b",
                    r"^ecs is performing maintenance\b",
                    r"^container instance deregistration forced\b",
                    r"^the (?:container )?instance\b.{0,80}\b(?:was terminated|is unhealthy|is draining)\b"),
        says="Host EC2 (instance i-0123456789abcdef0) terminated.",
        hint="If it comes often, spread the task over more Availability Zones or instances.",
        evidence=(_WHY_STOPPED,)),
    Row("hung", _TRANSIENT, _STOPPED,
        texts=_said(r"^stopped by its recovery because it did not start\b"),
        says="Stopped by its recovery because it did not start in time",
        evidence=("https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html",)),
    # The same request was seen to succeed a moment later.
    Row("efs-interrupted", _TRANSIENT, _STOPPED,
        texts=_EFS,
        also=_said(r"\bconnection reset by peer\b",
                   r"\berror retrieving region\b",
                   r"\bconnection timed out\b",
                   r"\bserver is busy\b",
                   r"\bdeadline exceeded\b"),
        says="ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
             "mount.nfs4: Connection reset by peer : unsuccessful EFS utils command execution; code: 32",
        hint="If it stays, let the task's subnets reach a mount target on port 2049, and set the region in the "
             "instance's efs-utils.conf.",
        evidence=_github("aws/efs-utils/issues/32", "docker-archive/compose-cli/issues/1490")),
    Row("eni-timeout", _TRANSIENT, _STOPPED,
        texts=_said(r"\btimeout waiting for network interface provisioning\b",
                    r"\btimeout wait for network interface provision\b"),
        says="Timeout waiting for network interface provisioning to complete.",
        evidence=(*_github("apache/airflow/pull/22002",
                           "aws-solutions/distributed-load-testing-on-aws/issues/82",
                           "aws/amazon-ecs-agent/issues/4825"),
                  *_DAGSTER)),
    Row("storage-timeout", _TRANSIENT, _STOPPED,
        texts=_said(r"\btimeout waiting for ephemeral ?storage provisioning\b"),
        says="Timeout waiting for EphemeralStorage provisioning to complete.",
        evidence=(*_github("dagster-io/dagster/pull/17234"), *_DAGSTER)),
    Row("provisioning-failed", _TRANSIENT, _STOPPED,
        texts=_said(r"\btask provisioning failed\b"),
        says="Task provisioning failed.",
        evidence=_DAGSTER),
    Row("eni-setup", _TRANSIENT, _STOPPED,
        texts=_said(r"\bfailed to configure eni\b", r"\bfailed to setup network namespace\b"),
        says="ResourceInitializationError: failed to configure ENI: failed to setup regular eni: netplugin "
             "failed with no error message",
        evidence=_github("aws/amazon-ecs-cni-plugins/issues/93", "aws/amazon-ecs-agent/issues/3853")),
    Row("service-discovery", _TRANSIENT, _STOPPED,
        texts=_said(r"\bservice discovery instance could not be registered\b"),
        says="The Service Discovery instance could not be registered.",
        evidence=_DAGSTER),
    # In the answer to our own call this code is a refusal. Here ECS makes the call, with its own role, and users who
    # run thousands of tasks report that the same request succeeds a moment later.
    Row("ec2-auth-failure", _TRANSIENT, _STOPPED,
        texts=_said(r"\bunexpected ec2 error while attempting to\b"),
        also=_coded("authfailure"),
        says="Unexpected EC2 error while attempting to Create Network Interface with public IP assignment "
             "disabled in subnet 'subnet-0123456789abcdef0': AuthFailure",
        hint="If it stays, check that the subnet is still shared with this account.",
        evidence=_DAGSTER),
    # AWS documents this wording, without a further cause, for a subnet without free addresses.
    Row("subnet-full-public-ip", _CAPACITY, _STOPPED,
        texts=_said(r"\bunexpected ec2 error while attempting to create network interface with public ip assignment "
                    r"enabled in subnet '?[\w-]{1,40}'?$"),
        says="Unexpected EC2 error while attempting to Create Network Interface with public IP assignment "
             "enabled in subnet 'subnet-0123456789abcdef0'",
        hint="Give the task a larger subnet, or more subnets.",
        evidence=_guide("failed-to-start-error")),
    Row("ec2-error", _TRANSIENT, _STOPPED,
        texts=_said(r"\bunexpected ec2 error while attempting to\b"),
        says="Unexpected EC2 error while attempting to attach network interface to instance",
        hint="If it stays, look the error code behind the text up in the list of EC2's error codes.",
        evidence=(_EC2_ERRORS, *_guide("failed-to-start-error"))),
    # Unlike the roles above this one is AWS's own: ECS creates it at the first call and the next call succeeds.
    Row("service-linked-role", _TRANSIENT, _EVERYWHERE,
        texts=_said(r"\bunable to assume the service[ -]linked role\b"),
        says="Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
        hint="If it stays, create the role with: aws iam create-service-linked-role --aws-service-name "
             "ecs.amazonaws.com.",
        evidence=_github("jonrau1/ElectricEye/issues/9", "aws/containers-roadmap/issues/2614",
                         "pulumi/pulumi-aws/issues/1041")),
    Row("image-pull-network", _TRANSIENT, _STOPPED,
        texts=_PULL,
        also=(*_NETWORK,
              *_SERVER_FAULT,
              *_said(r"\binvalid argument\b",
                     r"\bhttpread(?:er)?seeker\b",
                     r"\bpanic: runtime error\b",
                     r"\berror pulling image conf",
                     r"\bapi error(?: \(5\d\d\))?(?=:|$)")),
        says="CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref "
             'quay.io/job:latest: failed to do request: Head "https://quay.io/v2/job/manifests/latest": dial '
             "tcp 3.210.148.47:443: i/o timeout",
        hint="If it stays, the task's subnets have no way to the registry: check route, endpoints and public "
             "IP.",
        evidence=(*_guide("task_cannot_pull_image", "verify-connectivity"),
                  *_github("dagster-io/dagster/pull/17168", "aws/amazon-ecs-agent/issues/1128",
                           "aws/containers-roadmap/issues/1133", "docker-archive/compose-cli/issues/911"),
                  *_DAGSTER)),
    # Truncated or not: without credentials a private registry always answers like this.
    Row("image-pull-anonymous", _PERMISSION, _STOPPED,
        texts=_PULL,
        also=_said(r"\bfailed to fetch anonymous token\b"),
        says="CannotPullContainerError: inspect image has been retried 1 time(s): failed to resolve ref "
             '"registry.example.com/job:1": failed to authorize: failed to fetch anonymous token',
        hint="Give the container definition credentials for the private registry (repositoryCredentials).",
        evidence=(*_guide("private-auth"), *_github("aws/containers-roadmap/issues/1658"))),
    Row("start-network", _TRANSIENT, _STOPPED,
        texts=_NETWORK,
        says="ResourceInitializationError: unable to pull secrets or registry auth: There is a connection "
             "issue between the task and AWS Secrets Manager. Check your task network configuration. failed to "
             "fetch secret arn:aws:secretsmanager:us-east-1:123456789012:secret:token from secrets manager: "
             "RequestCanceled: request context canceled caused by: context deadline exceeded",
        hint="If it stays, the task's subnets have no way to that service: check route, endpoints and groups.",
        evidence=(*_guide("resource-initialization-error", "verify-connectivity"),
                  *_github("Releem/releem-agent/issues/195", "doctorray117/minecraft-ondemand/issues/74",
                           "civiform/civiform/issues/7648", "docker-archive/compose-cli/issues/1490"))),
    Row("start-server-fault", _TRANSIENT, _STOPPED,
        texts=_SERVER_FAULT,
        says="ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret "
             "from asm: operation error Secrets Manager: GetSecretValue, https response error StatusCode: 503",
        evidence=(_COMMON_ERRORS, *_github("floci-io/floci/pull/1117"))),
    Row("container-timeout", _TRANSIENT, _STOPPED,
        texts=_said(r"\bcould not transition to (?:pulled|created|started|running|stopped|resources_provisioned)\b"
                    r".{0,20}timed out",
                    r"^docker ?timeout ?error\b"),
        says="DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s",
        hint="If it stays, use less loaded instances, or give the private subnet a way to CloudWatch Logs.",
        evidence=(*_guide("container-runtime-timeout-error"),
                  *_github("aws/amazon-ecs-agent/issues/1440", "rstudio/r-builds/pull/140"))),
    Row("internal-error", _TRANSIENT, _EVERYWHERE,
        texts=(*_coded("internal(?:error|failure)"), *_said(r"^internal error\b")),
        says="InternalError: <reason>",
        hint="If it stays, check that Fargate supports the Availability Zone of every subnet.",
        evidence=(*_guide("failed-to-start-error", "internal-error", "service-event-messages-list"),
                  *_github("reproio/wrapbox/issues/32"))),
    Row("connection-lost", _TRANSIENT, _ERROR,
        codes=_codes("ConnectionError ConnectionClosedError ConnectTimeoutError EndpointConnectionError "
                     "HTTPClientError IncompleteReadError ProxyConnectionError ReadTimeoutError "
                     "ResponseParserError ResponseStreamingError SSLError Timeout"),
        says='Read timeout on endpoint URL: "https://ecs.us-east-1.amazonaws.com/"',
        evidence=("https://boto3.amazonaws.com/v1/documentation/api/latest/guide/retries.html",
                  *_github("openedx/openedx-platform/pull/19192"))),
    # The agent called the container runtime and got no answer, or none that it understood.
    Row("agent-error", _TRANSIENT, _STOPPED,
        texts=_said(r"^cannot(?:inspect|describe|remove|get|list)\w{0,40}error\b",
                    r"^(?:impossiblestatetransition|containervanished|nosuchcontainer|networknamespace|eniinformation"
                    r"|containernetworking|taskstoppedbeforepullbegin)error\b"),
        says="CannotInspectContainerError: Could not transition to inspecting; timed out after waiting 30s",
        hint="If it stays, replace the container instance, on Fargate contact AWS Support with the task's ARN.",
        evidence=(*_guide("cannot-inspect-container"),
                  *_github("aws/amazon-ecs-agent/blob/master/agent/dockerclient/dockerapi/errors.go"))),
    # ECS calls EC2 on the caller's behalf and reports EC2's time-out as a client error.
    Row("connection-lost-text", _TRANSIENT, _CALL,
        texts=_said(r"\bunable to execute http request\b",
                    r"\bunable to complete the request\b.{0,80}\btime(?:d )?out\b",
                    r"\b(?:connect|connection|read) timed? ?out\b",
                    r"\bcould not connect to the endpoint url\b",
                    r"\bconnection was closed before\b",
                    r"\bconnection (?:reset|aborted)\b"),
        says="Error retrieving security group information: com.amazonaws.SdkClientException: Unable to execute "
             "HTTP request: Connect to ec2.us-east-1.amazonaws.com:443 failed: connect timed out",
        evidence=(*_github("aws/aws-cli/issues/6450", "openedx/openedx-platform/pull/19192"),
                  "https://boto3.amazonaws.com/v1/documentation/api/latest/guide/retries.html")),
)

_WRONG = (
    Row("compute-strategy", _CONFIGURATION, _EVERYWHERE,
        texts=_said(r"\bnot compatible with the selected compute strategy\b",
                    r"\bdoes not support launch_?type\b",
                    r"\bno fargate configuration exists for given values\b",
                    r"\binvalid '?(?:cpu|memory)'? (?:setting|or memory value)\b"),
        says="The selected task definition is not compatible with the selected compute strategy",
        hint="Choose a launch type, capacity provider and task size that the task definition allows.",
        evidence=_guide("failed-to-start-error", "task-cpu-memory-error")),
    Row("efs-mount", _CONFIGURATION, _STOPPED,
        texts=(*_EFS, *_said(r"\bcannotcreatevolumeerror\b")),
        says="ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
             'Failed to resolve "fs-0123456789abcdef0.efs.us-east-1.amazonaws.com" - check that your file '
             "system ID is correct, and ensure that the VPC has an EFS mount target for this file system ID.",
        hint="Check the file system, its mount targets in the task's subnets, its access point and NFS (port "
             "2049).",
        evidence=(*_guide("resource-initialization-error", "cannot-create-volume"),
                  "https://repost.aws/knowledge-center/fargate-unable-to-mount-efs")),
    # AWS documents two causes, a wrong file system format and a wrong key; neither passes without help.
    Row("ebs-volume", _CONFIGURATION, _STOPPED,
        texts=_said(r"\becs failed to set up the ebs volume\b",
                    r"\becs timed out while configuring the ebs volume\b"),
        says="ECS timed out while configuring the EBS volume attachment to your Task.",
        hint="Check the volume's file system type against the snapshot and the task's operating system, and "
             "its key.",
        evidence=_guide("troubleshoot-ebs-volumes-scenarios")),
    Row("log-driver", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bfailed to validate logger args\b",
                    r"\bunable to get awslogs driver arguments\b",
                    r"\bfailed to initialize logging driver\b"),
        says="ResourceInitializationError: failed to validate logger args: unable to get awslogs driver "
             "arguments: awslogs-region is required",
        hint="Correct the log configuration of the task definition: group, Region and driver options.",
        evidence=_guide("resource-initialization-error")),
    Row("container-not-startable", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bcannot(?:start|create)containererror\b",
                    r"\bfailed to create new container runtime task\b",
                    r"^dockerstateerror\b"),
        also=_said(r"\bexecutable file not found\b",
                   r"\bno such file or directory\b",
                   r"\boci runtime (?:create failed|error)\b",
                   r"\b(?:runc create failed|starting container process caused)\b",
                   r"\bread-only file ?system\b",
                   r"\bis a directory\b",
                   r"\bnot a directory\b",
                   r"\berrno 524\b",
                   r"\bduplicate mount point\b",
                   r"\bmount denied\b",
                   r"\bpermission denied\b",
                   r"\boperation not permitted\b",
                   r"\bno users found\b",
                   r"\binvalid header field value\b"),
        says="CannotStartContainerError: ResourceInitializationError: failed to create new container runtime "
             "task: failed to create shim: OCI runtime create failed: container_linux.go:380: starting "
             'container process caused: exec: "-url": executable file not found in $PATH',
        hint="Correct the command, entry point, user or mounts of the container in the task definition.",
        evidence=(*_guide("cannot-start-container"),
                  *_github("jenkinsci/amazon-ecs-plugin/issues/258", "aws/amazon-ecs-agent/issues/2954",
                           "aws/amazon-ecs-agent/issues/951", "aws/amazon-ecs-agent/issues/3526",
                           "aws-samples/net-modernization/issues/13"))),
    # A dependsOn condition was not met. If the container ran it has an exit code, and a row of its own.
    Row("container-dependency", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bdependency graph: ", r"^taskdependencyerror\b", r"\bcontainer ordering dependency\b"),
        says="CannotStartContainerError: dependency graph: container ordering dependency [migrate(job) "
             "(CREATED->RUNNING)] for target [app(job) (NONE->RUNNING)] has timed out",
        hint="Read the log of the container that the text names first, or give it a longer startTimeout.",
        evidence=(*_github("aws/amazon-ecs-agent/pull/3218",
                           "aws/amazon-ecs-agent/blob/master/agent/engine/dependencygraph/graph.go"),)),
    Row("instance-misconfigured", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bcgrouperror\b",
                    r"\bcould not create task's platform resources\b",
                    r"\b(?:hostconfig|dockerclientconfig)error\b"),
        says="CgroupError: Agent could not create task's platform resources",
        hint="Update the instance's ECS agent or AMI: its agent and its cgroups do not fit, so replace the "
             "instance.",
        evidence=_github("aws/amazon-ecs-agent/issues/2917")),
    Row("container-memory", _CONFIGURATION, _STOPPED,
        texts=_said(r"\bfailed to get container status\b", r"\bminimum memory limit allowed\b"),
        says="CannotStartContainerError: failed to get container status: <reason>",
        hint="Give the container more memory in the task definition.",
        evidence=_guide("cannot-start-container")),
    # Below the wrong commands, which the container runtime reports as well.
    Row("container-runtime", _TRANSIENT, _STOPPED,
        texts=_said(r"^containerruntimeerror\b"),
        says="ContainerRuntimeError: <reason>",
        hint="If it stays, replace the container instance, on Fargate contact AWS Support with the task's ARN.",
        evidence=_guide("container-runtime-error")),
    Row("cluster-missing", _CONFIGURATION, _ERROR,
        codes=_codes("ClusterNotFoundException ClusterNotActiveException"),
        says="ClusterNotFoundException: Cluster not found.",
        hint="Correct the cluster's name, account or Region, or create the cluster.",
        evidence=(_RUN_TASK,)),
    Row("cluster-missing-text", _CONFIGURATION, _EVERYWHERE,
        texts=_said(r"^cluster not found\b", r"\bcluster (?:is|was) inactive\b"),
        says="The referenced cluster was inactive.",
        hint="Correct the cluster's name, account or Region, or create the cluster.",
        evidence=(_RUN_TASK,)),
    Row("task-definition-missing", _CONFIGURATION, _EVERYWHERE,
        texts=_said(r"\btask ?definition (?:is|was) inactive\b",
                    r"\btask ?definition not found\b",
                    r"\bunable to describe task ?definition\b",
                    r"\btask ?definition\b.{0,200} does not exist\b",
                    r"\binvalid revision number\b"),
        says="TaskDefinition is inactive",
        hint="Point the schedule at an active revision, or at the family without a revision.",
        evidence=("https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeregisterTaskDefinition.html",
                  *_github("aws/containers-roadmap/issues/685"))),
    Row("platform-version", _CONFIGURATION, _ERROR,
        codes=_codes("PlatformUnknownException PlatformTaskDefinitionIncompatibilityException "
                     "UnsupportedFeatureException"),
        says="PlatformTaskDefinitionIncompatibilityException: One or more of the requested capabilities are "
             "not supported.",
        hint="Write the platform version as LATEST or whole, 1.4.0 and not 1.4, and use a Region that has "
             "everything that the task definition asks for.",
        evidence=(_RUN_TASK, *_github("jenkinsci/amazon-ecs-plugin/issues/218"))),
    Row("platform-version-text", _CONFIGURATION, _CALL,
        texts=_said(r"\bspecified platform (?:version )?does not exist\b",
                    r"\bplatform ?version\b.{0,120}\b(?:is not valid|is invalid|not supported|unknown)\b",
                    r"\binvalid platform ?version\b"),
        says="The specified platform does not exist.",
        hint="Write the platform version as LATEST or whole, 1.4.0 and not 1.4.",
        evidence=(_RUN_TASK, *_github("jenkinsci/amazon-ecs-plugin/issues/218"))),
    # "Capacity" is part of a name here; there is no shortage.
    Row("capacity-provider-wrong", _CONFIGURATION, _EVERYWHERE,
        texts=_said(r"\bcapacity provider\b.{0,200}\b(?:not found|does not exist|was deleted)\b",
                    r"\bcapacity provider\b.{0,200}\b(?:is not valid|is invalid|must (?:be|specify))\b",
                    r"\bcapacity provider\b.{0,200}\b(?:not associated|cannot contain|not in an active state)\b"),
        says="The specified capacity provider strategy cannot contain a capacity provider that is not "
             "associated with the cluster. Associate the capacity provider with the cluster or specify a valid "
             "capacity provider and try again.",
        hint="Name a capacity provider that is active and associated with the cluster.",
        evidence=(*_github("dask/dask-cloudprovider/issues/328",
                           "hashicorp/terraform-provider-aws/issues/45693"),
                  *_guide("managed-instances-errors"))),
    Row("network-configuration", _CONFIGURATION, _CALL,
        texts=_said(r"\bnetwork configuration (?:must be provided|is not valid)\b",
                    r"\bassign public ip is not supported\b",
                    r"\bdoes not appear to belong to the same vpc\b",
                    r"\bat least one security group must be supplied\b",
                    r"\b(?:subnets|security ?groups) can have at most\b"),
        says="Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        hint="Give the schedule subnets and security groups of one VPC that fit the launch type.",
        evidence=_github("metaps/genova/issues/122", "aws/aws-dotnet-deploy/pull/735",
                         "aws/aws-cdk/issues/13348", "hashicorp/waypoint/issues/4629",
                         "prefect-archive/prefect-aws/issues/112")),
    Row("overrides-wrong", _CONFIGURATION, _CALL,
        texts=_said(r"\boverride for container named .{1,255} is not a container in the task ?definition\b",
                    r"\boverrides length must be\b"),
        says="Override for container named app is not a container in the TaskDefinition.",
        hint="Make the overrides of the schedule fit the containers of the task definition.",
        evidence=(_RUN_TASK, *_github("azavea/django-ecsmanage/issues/21"))),
    Row("tags-wrong", _CONFIGURATION, _CALL,
        texts=_said(r"\blong arn format must be\b", r"\binvalid value for propagatetags\b"),
        says="Long arn format must be enabled for ECS managed tags.",
        hint="Opt the account in to the long ARN format, or ask for no tags.",
        evidence=_guide("ecs-account-settings", "api_failures_messages")),
    Row("token-conflict", _CONFIGURATION, _ERROR,
        codes=_codes("ConflictException"),
        says="ConflictException: The clientToken is already in use with a different RunTask request.",
        hint="Look for the task that was started with this client token before you start another.",
        evidence=(_RUN_TASK, *_guide("ECS_Idempotency"))),
    Row("signature-wrong", _CONFIGURATION, _ERROR,
        codes=_codes("SignatureDoesNotMatch InvalidSignatureException IncompleteSignature"),
        says="SignatureDoesNotMatch: The request signature we calculated does not match the one you provided.",
        hint="The call was signed wrongly: check its credentials, and whatever changes the request on the way.",
        evidence=(_COMMON_ERRORS,)),
)

# The rest is decided by code. ClientException is not among them: it is used for a full queue, for a role and for a task
# definition alike, so a text that no row knows stays unknown.
_BY_CODE_ALONE = (
    Row("server-fault", _TRANSIENT, _ERROR,
        codes=_codes("ServerException InternalError InternalFailure InternalServerError InternalServiceError "
                     "ServiceUnavailable ServiceUnavailableException Unavailable RequestTimeout "
                     "RequestTimeoutException RequestAbortedException 408")
        | {str(status) for status in range(500, 600)},
        says="ServerException: Service Unavailable. Please try again later.",
        evidence=(_RUN_TASK,
                  _COMMON_ERRORS,
                  *_github("aws/copilot-cli/issues/3945", "whilenull/7777-support/issues/35"))),
    Row("request-invalid", _CONFIGURATION, _ERROR,
        codes=_codes("InvalidParameterException InvalidParameterValue InvalidParameterCombination "
                     "InvalidRequestException MissingParameter ParamValidationError ResourceNotFoundException "
                     "SerializationException ValidationError ValidationException MalformedHttpRequestException "
                     "MalformedQueryString RequestEntityTooLargeException InvalidAction "
                     "UnknownOperationException"),
        says="InvalidParameterException: AccountIDs mismatch",
        hint="Correct what the text names in the schedule or in the task definition.",
        evidence=(_RUN_TASK, _COMMON_ERRORS)),
)

# AWS documents these without a cause: a few careful retries, and a hint where the cause may be.
_NO_CAUSE = (
    Row("service-event", _CONFIGURATION, _PLACEMENT,
        texts=_said(r"^(?:service \S{1,255}|\(service [^)]{1,255}\)).{0,400}\b(?:steady state|is unhealthy in"
                    r"|is not healthy in|unable to (?:consistently|stop or) start tasks|unable to scale in"
                    r"|deployment failed|could not launch)\b",
                    r"\becs can no longer maintain your service\b",
                    r"^(?:ecs deployment failed|task_not_valid|deployment_blocked)$"),
        says="(service web) is unable to consistently start tasks successfully.",
        hint="Look at the stopped tasks of that service: ECS reports this of a service, never of a scheduled task.",
        evidence=_guide("service-event-messages-list", "api_failures_messages")),
    Row("image-pull-unexplained", _UNKNOWN, _STOPPED,
        texts=_said(r"\bcannotpull\w*error\b", r"\bthe task can(?:no|')t pull\b"),
        says="CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref",
        hint="Check that the image is in the registry and that the task's subnets reach it.",
        evidence=_guide("task_cannot_pull_image", "verify-connectivity")),
    Row("container-unexplained", _UNKNOWN, _STOPPED,
        texts=_said(r"^cannot(?:start|create)containererror\b", r"^dockerstateerror\b"),
        says="CannotStartContainerError: <reason>",
        hint="Read the container's reason and log, and run its image by hand with the same command.",
        evidence=_guide("cannot-start-container")),
    Row("resources-unexplained", _UNKNOWN, _STOPPED,
        texts=_said(r"^resourceinitializationerror\b",
                    r"\bunable to pull secrets or registry auth\b",
                    r"^resourcenotfoundexception\b"),
        says="ResourceInitializationError: unable to pull secrets or registry auth",
        hint="Check that the task's subnets reach Amazon ECR, Secrets Manager, Systems Manager and CloudWatch "
             "Logs, and what the execution role may read.",
        evidence=_guide("resource-initialization-error", "verify-connectivity")),
    Row("start-unexplained", _UNKNOWN, _STOPPED,
        texts=_said(r"^task ?failed ?to ?start$"),
        says="Task failed to start",
        hint="Read the containers' reasons with: aws ecs describe-tasks, within an hour.",
        evidence=(*_guide("failed-to-start-error", "stopped-task-errors"),
                  *_github("aws/containers-roadmap/issues/2561"))),
)

# fmt: on

TABLE: tuple[Row, ...] = (
    *_HAD_STARTED,
    *_DENIED_AND_EXPIRED,
    *_THROTTLED,
    *_NO_ROOM,
    *_WHOLE_REASONS,
    *_NAMED_AND_ABSENT,
    *_PASSING,
    *_WRONG,
    *_BY_CODE_ALONE,
    *_NO_CAUSE,
)
