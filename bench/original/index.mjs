// What intake is measured against: the published way to do without Step Functions, written again from its
// description. One function, subscribed to the trail's log group, that makes each failed call again at once.
// https://www.isoroot.jp/blog/6991/

import { gunzipSync } from "node:zlib";
import { ECS } from "@aws-sdk/client-ecs";

const ecs = new ECS({});

export const handler = async (event) => {
  const payload = JSON.parse(gunzipSync(Buffer.from(event.awslogs.data, "base64")));
  await Promise.all(
    payload.logEvents.map(({ message }) => {
      const { taskDefinition, cluster, count, launchType, networkConfiguration } =
        JSON.parse(message).requestParameters;
      return ecs.runTask({ taskDefinition, cluster, count, launchType, networkConfiguration });
    }),
  );
};
