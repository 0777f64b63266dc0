// A test that dies: it starts a container, prints its id and kills itself, so that only testcontainers' reaper can clean up.

import { GenericContainer, Network } from "testcontainers";

const network = await new Network().start();
const container = await new GenericContainer("busybox").withCommand(["sleep", "1000"]).withNetwork(network).start();
process.stdout.write(`${container.getId()}\n`, () => process.kill(process.pid, "SIGKILL"));
