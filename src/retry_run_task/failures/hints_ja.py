"""The classification table's hints in Japanese, by name of the row.

Each row with a hint has one here, and no other row; a test compares them. The meaning is that of the table.
"""

from __future__ import annotations

_SPOT = "解消しない場合は、アベイラビリティーゾーンを増やすか、オンデマンドで実行してください。"
_HOST = "頻発する場合は、タスクをより多くのアベイラビリティーゾーンまたはインスタンスに分散させてください。"
_AGENT = (
    "解消しない場合は、コンテナインスタンスを置き換えるか、Fargate の場合はタスクの ARN を添えて "
    "AWS サポートに連絡してください。"
)
_PLATFORM = (
    "プラットフォームバージョンは LATEST または 1.4.0 のように省略せずに (1.4 ではなく) 指定してください。"
)
_BLOCKED = "AWS アカウントがブロックされています。AWS サポートに連絡してください。"
_SUBNET = "より大きなサブネットを使用するか、タスクに指定するサブネットを増やしてください。"
_CLUSTER = "クラスターの名前、アカウント、リージョンを修正するか、クラスターを作成してください。"

# The formatter would put each sentence into parentheses on lines of their own.
# fmt: off
HINTS = {
    "spot-took-a-running-task":
        "タスクの処理中に AWS がスポットキャパシティを中断しました。"
        "二重に実行しても問題がなければ手動で再度起動するか、オンデマンドで実行してください。",
    "container-ran":
        "タスクのコンテナが実行されています。ログで処理内容を確認し、"
        "二重に実行しても問題がなければ手動で起動してください。",
    "stopped-by-a-person":
        "タスクは手動で停止されています。再度起動する前に、停止した担当者に確認してください。",
    "container-exited":
        "コンテナの終了コード、理由、ログを確認し、二重に実行しても問題がなければ手動で起動してください。",
    "stopped-after-start":
        "停止される前にどこまで処理されたかを確認し、二重に実行しても問題がなければ手動で起動してください。",
    "task-had-run":
        "終了する前にどこまで処理されたかを確認し、二重に実行しても問題がなければ手動で起動してください。",
    "spot-reclaimed": _SPOT,
    "spot-reclaimed-text": _SPOT,
    "host-gone": _HOST,
    "host-gone-text": _HOST,
    "access-denied":
        "メッセージに示されたアクセス許可を、示されたリソースに対して呼び出し元に付与してください。",
    "account-blocked": _BLOCKED,
    "account-blocked-text": _BLOCKED,
    "credentials-rejected":
        "呼び出し元の認証情報が AWS に受け入れられませんでした。ロール、アカウント、リージョンを確認してください。",
    "credentials-expired-text": "解消しない場合は、呼び出しに署名しているマシンの時刻を確認してください。",
    "role-not-assumable":
        "メッセージに示されたロールの信頼ポリシーで、ecs-tasks.amazonaws.com"
        " (ボリュームの場合は ecs.amazonaws.com) による引き受けを許可してください。"
        "ロールを作成した直後であれば、タスクを手動で再度起動してください。",
    "image-pull-denied":
        "イメージが存在すること、およびタスク実行ロール (EC2 の場合はコンテナインスタンスのロール)"
        " またはレジストリの認証情報でイメージをプルできることを確認してください。",
    "start-denied":
        "メッセージに示されたロールに、示されたアクセス許可を付与してください。"
        "シークレット、環境ファイル、ログの場合はタスク実行ロールです。",
    "call-denied": "メッセージに示されたロールに、示されたアクセス許可を付与してください。",
    "registry-pull-quota":
        "解消しない場合は、Amazon ECR 経由でイメージをプルするか、レジストリにログインしてください。"
        "レジストリのプル数の制限は数時間単位で適用されます。",
    "fargate-quota":
        "他のタスクが終了すれば解消します。頻発する場合は、"
        "Fargate の vCPU クォータの引き上げをリクエストしてください。",
    "provisioning-queue-full":
        "頻発する場合は、スケジュールの時刻を分散させるか、クラスターを 2 つに分けてください。"
        "1 つのクラスターでインスタンスを待てるタスクは 500 個までです。",
    "no-container-instances":
        "クラスターにキャパシティプロバイダーがある場合は、スケジュールの起動タイプ EC2 の指定を外してください。"
        "また、Auto Scaling グループのアクティビティを確認してください。"
        "アカウントの EC2 vCPU クォータに達している可能性があります。",
    "no-active-instances":
        "解消しない場合は、Auto Scaling グループがインスタンスを起動でき、"
        "そのインスタンスがクラスターに登録されることを確認してください。",
    "instance-resources":
        "解消しない場合は、タスクを実行できる大きさのインスタンスを追加するか、"
        "クラスターがスケールアウトできるようにしてください。",
    "subnet-full": _SUBNET,
    "ec2-capacity":
        "解消しない場合は、キャパシティプロバイダーで使用できるインスタンスタイプとアベイラビリティーゾーンを増やしてください。",
    "ec2-quota":
        "他のインスタンスが終了すれば解消します。頻発する場合は、EC2 のクォータの引き上げをリクエストしてください。",
    "host-port-taken":
        "解消しない場合は、ホストポートを ECS に選択させる (hostPort を 0 にする) か、インスタンスを追加してください。",
    "eni-slots-taken":
        "解消しない場合は、より多くのネットワークインターフェイスを使用できるインスタンスに変更するか、"
        "ENI トランキングを有効にしてください。",
    "agent-disconnected":
        "解消しない場合は、コンテナインスタンスの ECS エージェントを再起動するか、インスタンスを置き換えてください。",
    "attribute-missing":
        "タスク定義が必要とする属性 (ネットワークモードやログドライバーなど) を持つインスタンスを"
        "指定したサブネットに追加するか、タスク定義を変更してください。",
    "no-distinct-instance":
        "解消しない場合は、インスタンスを追加してください。タスクごとに別のインスタンスが必要です。",
    "launch-type-missing":
        "クラスターにインスタンスがある起動タイプを指定してください。EC2、または自社のマシンの場合は EXTERNAL です。",
    "placement-constraint":
        "配置制約を満たすインスタンスがクラスターにありません。"
        "制約を変更するか、制約を満たすインスタンスを追加してください。",
    "wrong-location":
        "クラスターのインスタンスがあるアベイラビリティーゾーンのサブネットを追加してください。",
    "instance-missing":
        "スケジュールのクラスターとリージョンを修正してください。応答に示された ARN のリソースが存在しません。",
    "instance-inactive":
        "応答に示された ARN のリソースは登録解除されています。別のリソースを指定してください。",
    "above-quota":
        "このタスクだけでアカウントのクォータを超えています。"
        "クォータの引き上げをリクエストするか、タスクのサイズを小さくしてください。",
    "subnet-or-group-missing":
        "このアカウントとリージョンに存在するサブネットとセキュリティグループを、スケジュールに指定してください。",
    "tag-policy":
        "組織のタグポリシーに準拠するようにタスクのタグを変更するか、タグポリシーを変更してください。",
    "secret-missing":
        "タスクと同じリージョンにシークレットまたはパラメータを作成するか、タスク定義で指定した名前を修正してください。",
    "secret-empty":
        "シークレットに値を設定してください。シークレットはありますが、要求されたバージョンの値がありません。",
    "secret-malformed": "シークレットを、タスク定義で指定したキーを持つ JSON オブジェクトにしてください。",
    "log-group-missing":
        "ロググループを作成するか、awslogs-create-group を使用してログドライバーに作成させてください。",
    "image-missing":
        "イメージをプッシュするか、タスク定義のイメージ名、タグ、ダイジェストを修正してください。",
    "image-wrong-platform":
        "タスクの CPU アーキテクチャ向けにイメージをビルドするか、"
        "タスク定義のランタイムプラットフォームを設定してください。",
    "disk-full":
        "インスタンスのディスクの空き容量を増やすか、インスタンスのディスク"
        " (Fargate の場合はタスクのエフェメラルストレージ) を拡張してください。",
    "ec2-auth-failure":
        "解消しない場合は、サブネットが現在もこのアカウントに共有されていることを確認してください。",
    "subnet-full-public-ip": _SUBNET,
    "ec2-error":
        "解消しない場合は、メッセージに含まれるエラーコードを EC2 のエラーコード一覧で調べてください。",
    "service-linked-role":
        "解消しない場合は、aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com "
        "コマンドでロールを作成してください。",
    "image-pull-network":
        "解消しない場合は、タスクのサブネットからレジストリに到達できない可能性があります。"
        "ルート、VPC エンドポイント、パブリック IP を確認してください。",
    "image-pull-anonymous":
        "コンテナ定義に、プライベートレジストリの認証情報 (repositoryCredentials) を設定してください。",
    "start-network":
        "解消しない場合は、タスクのサブネットから対象のサービスに到達できない可能性があります。"
        "ルート、VPC エンドポイント、セキュリティグループを確認してください。",
    "container-timeout":
        "解消しない場合は、負荷の低いインスタンスを使用するか、"
        "プライベートサブネットから CloudWatch Logs に到達できるようにしてください。",
    "agent-error": _AGENT,
    "internal-error":
        "解消しない場合は、すべてのサブネットのアベイラビリティーゾーンが "
        "Fargate に対応していることを確認してください。",
    "compute-strategy":
        "タスク定義が対応している起動タイプ、キャパシティプロバイダー、タスクサイズを選択してください。",
    "efs-mount":
        "ファイルシステム、タスクのサブネットにあるマウントターゲット、アクセスポイント、"
        "および NFS (ポート 2049) の通信を確認してください。",
    "efs-interrupted":
        "解消しない場合は、タスクのサブネットからマウントターゲットのポート 2049 に到達できるようにし、"
        "インスタンスの efs-utils.conf でリージョンを設定してください。",
    "ebs-volume":
        "ボリュームのファイルシステムタイプがスナップショットおよびタスクの OS と合っていること、"
        "および KMS キーを確認してください。",
    "log-driver":
        "タスク定義のログ設定 (ロググループ、リージョン、ドライバーのオプション) を修正してください。",
    "container-not-startable":
        "タスク定義で、コンテナのコマンド、エントリポイント、ユーザー、またはマウントを修正してください。",
    "container-dependency":
        "メッセージの最初に示されたコンテナのログを確認するか、startTimeout を長くしてください。",
    "instance-misconfigured":
        "インスタンスの ECS エージェントまたは AMI を更新し、インスタンスを置き換えてください。"
        "エージェントと cgroup が合っていません。",
    "container-memory": "タスク定義で、コンテナのメモリを増やしてください。",
    "container-runtime": _AGENT,
    "cluster-missing": _CLUSTER,
    "cluster-missing-text": _CLUSTER,
    "task-definition-missing":
        "スケジュールに、有効な (ACTIVE の) リビジョンを指定するか、リビジョンなしのファミリー名を指定してください。",
    "platform-version":
        f"{_PLATFORM}タスク定義が必要とする機能にすべて対応したリージョンを使用してください。",
    "platform-version-text": _PLATFORM,
    "capacity-provider-wrong":
        "有効で、クラスターに関連付けられているキャパシティプロバイダーを指定してください。",
    "network-configuration":
        "同じ VPC に属し、起動タイプに合ったサブネットとセキュリティグループをスケジュールに指定してください。",
    "overrides-wrong": "スケジュールのオーバーライドを、タスク定義のコンテナに合わせて修正してください。",
    "tags-wrong":
        "アカウントで長い ARN 形式を有効にするか、タグの指定 (tags、propagateTags) を外してください。",
    "token-conflict":
        "このクライアントトークンですでにタスクが起動されています。"
        "別のタスクを起動する前に、そのタスクを確認してください。",
    "signature-wrong":
        "呼び出しの署名が正しくありません。"
        "認証情報と、リクエストを途中で変更するもの (プロキシなど) がないかを確認してください。",
    "request-invalid": "メッセージに示された項目を、スケジュールまたはタスク定義で修正してください。",
    "service-event":
        "そのサービスの停止したタスクを確認してください。これはサービスのイベントで、スケジュールされたタスクのものではありません。",
    "image-pull-unexplained":
        "イメージがレジストリにあること、およびタスクのサブネットからレジストリに到達できることを確認してください。",
    "container-unexplained":
        "コンテナの理由とログを確認し、同じコマンドでイメージを手動で実行してみてください。",
    "resources-unexplained":
        "タスクのサブネットから Amazon ECR、Secrets Manager、Systems Manager、CloudWatch Logs に到達できること、"
        "およびタスク実行ロールの権限を確認してください。",
    "start-unexplained":
        "1 時間以内に aws ecs describe-tasks でコンテナの理由 (reason) を確認してください。",
}
