// testcontainers for Node, unmodified: wait strategies, exec, files, networks, builds, logs, and its reaper (a stand-in).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { text } from "node:stream/consumers";

import Docker from "dockerode";
import tar from "tar-stream";
import { GenericContainer, Network, Wait, getContainerRuntimeClient } from "testcontainers";

import { poll } from "./poll.mjs";

const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace("unix://", "") });
let folder;

before(async () => (folder = await mkdtemp(path.join(tmpdir(), "gantry-node-"))));
after(() => rm(folder, { recursive: true }));

const sleeper = () => new GenericContainer("busybox").withCommand(["sleep", "1000"]);
const server = () => new GenericContainer("uhttpd").withExposedPorts(80);
const page = async (container, what = "") => {
  const answer = await fetch(`http://${container.getHost()}:${container.getMappedPort(80)}/${what}`);
  return answer.text();
};

test("the runtime is found", async () => {
  const client = await getContainerRuntimeClient();
  assert.equal(client.info.containerRuntime.operatingSystem.length > 0, true);
});

test("a port that is waited for is published", async () => {
  const container = await server().start();
  assert.equal(await page(container), "at your service\n");
  assert.ok(container.getMappedPort(80) > 1024);
  const id = container.getId();
  await container.stop();
  await assert.rejects(docker.getContainer(id).inspect(), { statusCode: 404 });
});

test("a line of the log is waited for", async () => {
  const container = await new GenericContainer("busybox")
    .withCommand(["sh", "-c", "sleep 0.2; echo one; echo ready 2 >&2; exec sleep 1000"])
    .withWaitStrategy(Wait.forLogMessage(/ready \d/))
    .start();
  assert.equal((await container.exec(["echo", "up"])).output, "up\n");
  await container.stop();
});

test("an answer over HTTP is waited for", async () => {
  const container = await server()
    .withCommand(["sh", "-c", "sleep 0.3; echo yes > /www/ready; exec httpd -f -p 80 -h /www"])
    .withWaitStrategy(Wait.forHttp("/ready", 80).forStatusCode(200).forResponsePredicate((body) => body === "yes\n"))
    .start();
  assert.equal(await page(container, "ready"), "yes\n");
  await container.stop();
});

test("health is waited for", async () => {
  const container = await new GenericContainer("busybox")
    .withCommand(["sh", "-c", "sleep 0.3; touch /healthy; exec sleep 1000"])
    .withHealthCheck({ test: ["CMD-SHELL", "test -e /healthy"], interval: 100, timeout: 3000, retries: 50 })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
  assert.equal((await docker.getContainer(container.getId()).inspect()).State.Health.Status, "healthy");
  await container.stop();
});

test("a one-shot is waited for, and a command that has to succeed", async () => {
  await (await new GenericContainer("busybox").withCommand(["true"]).withWaitStrategy(Wait.forOneShotStartup()).start()).stop();
  const container = await new GenericContainer("busybox")
    .withCommand(["sh", "-c", "sleep 0.2; touch /there; exec sleep 1000"])
    .withWaitStrategy(Wait.forAll([Wait.forSuccessfulCommand("test -e /there"), Wait.forListeningPorts()]))
    .start();
  await container.stop();
});

test("what never gets ready fails in time", async () => {
  const never = sleeper().withWaitStrategy(Wait.forLogMessage("never").withStartupTimeout(500));
  await assert.rejects(never.start(), /Log message "never" not received|not received/);
});

test("commands run inside, as others, elsewhere, with their streams apart", async () => {
  const container = await sleeper().withEnvironment({ A: "1" }).withWorkingDir("/tmp").withUser("app").withHostname("boxed").start();
  const whole = await container.exec(["sh", "-c", "echo $A; pwd; id -u; hostname; echo e >&2; exit 4"]);
  assert.deepEqual([whole.stdout, whole.stderr, whole.exitCode], ["1\n/tmp\n1000\nboxed\n", "e\n", 4]);
  const other = await container.exec(["sh", "-c", "echo $B; pwd; id -u"], { env: { B: "2" }, workingDir: "/", user: "root" });
  assert.equal(other.output, "2\n/\n0\n");
  await container.stop();
});

test("files go in before and after the start, and come out", async () => {
  const file = path.join(folder, "file.txt");
  await writeFile(file, "from the host\n");
  const container = await sleeper()
    .withCopyFilesToContainer([{ source: file, target: "/in/file.txt", mode: 0o600 }])
    .withCopyContentToContainer([{ content: "given\n", target: "/in/content.txt" }])
    .withCopyDirectoriesToContainer([{ source: folder, target: "/folder" }])
    .start();
  assert.equal((await container.exec(["sh", "-c", "cat /in/* /folder/file.txt; stat -c %a /in/file.txt"])).output, "given\nfrom the host\nfrom the host\n600\n");
  await container.copyContentToContainer([{ content: "later\n", target: "/in/later.txt" }]);
  const extract = tar.extract();
  const names = [];
  extract.on("entry", (header, stream, next) => {
    names.push(header.name);
    stream.on("end", next).resume();
  });
  const ended = new Promise((resolve) => extract.on("finish", resolve));
  (await container.copyArchiveFromContainer("/in")).pipe(extract);
  await ended;
  assert.deepEqual(names.sort(), ["in/", "in/content.txt", "in/file.txt", "in/later.txt"]);
  await container.stop();
});

test("binds, tmpfs, labels and limits", async () => {
  await writeFile(path.join(folder, "bound"), "bound\n");
  const container = await sleeper()
    .withBindMounts([{ source: path.join(folder, "bound"), target: "/bound", mode: "ro" }])
    .withTmpFs({ "/scratch": "rw,size=1m" })
    .withLabels({ own: "label" })
    .withUlimits({ nofile: { hard: 512, soft: 256 } })
    .withAddedCapabilities("NET_ADMIN")
    .withDroppedCapabilities("CHOWN")
    .withExtraHosts([{ host: "elsewhere", ipAddress: "192.0.2.9" }])
    .withResourcesQuota({ memory: 0.125, cpu: 0.5 })
    .withSharedMemorySize(1 << 20)
    .start();
  const script = "cat /bound; ulimit -n; grep elsewhere /etc/hosts; df -k /scratch /dev/shm | awk '{print $2}'; echo x > /bound";
  const said = await container.exec(["sh", "-c", script]);
  assert.match(said.output, /^bound\n256\n192\.0\.2\.9\s+elsewhere\n.*\n1024\n1024\n/s);
  assert.match(said.stderr, /Read-only file system/);
  const { HostConfig, Config } = await docker.getContainer(container.getId()).inspect();
  assert.equal(Config.Labels.own, "label");
  assert.deepEqual([HostConfig.Memory, HostConfig.NanoCpus], [128 << 20, 500_000_000]);
  await container.stop();
});

test("containers of a network call one another by alias", async () => {
  const network = await new Network().start();
  const one = await server().withNetwork(network).withNetworkAliases("web").start();
  const two = await sleeper().withNetwork(network).start();
  assert.equal((await two.exec(["wget", "-qO-", "http://web/"])).output, "at your service\n");
  assert.match(one.getIpAddress(network.getName()), /^\d+\.\d+\.\d+\.\d+$/);
  await one.stop();
  await two.stop();
  await network.stop();
  await assert.rejects(docker.getNetwork(network.getId()).inspect(), { statusCode: 404 });
});

test("an image is built from a Dockerfile", async () => {
  await writeFile(path.join(folder, "Dockerfile"), "FROM busybox AS base\nARG WORD=unset\nRUN echo $WORD > /word\nFROM base AS last\nCOPY file.txt /\nCMD cat /word /file.txt; sleep 1000\n");
  await writeFile(path.join(folder, "file.txt"), "from the host\n");
  const built = await GenericContainer.fromDockerfile(folder).withBuildArgs({ WORD: "given" }).withTarget("last").build("node-tc-built:1", { deleteOnExit: false });
  const container = await built.withWaitStrategy(Wait.forLogMessage("from the host")).start();
  assert.equal((await container.exec(["cat", "/word"])).output, "given\n");
  await container.stop();
  await docker.getImage("node-tc-built:1").remove();
});

test("logs stream while the container runs", async () => {
  const container = await new GenericContainer("busybox").withCommand(["sh", "-c", "echo first; read x; echo never"]).start();
  const lines = [];
  (await container.logs()).on("data", (line) => lines.push(line.toString()));
  await poll("the line", () => lines.join("").includes("first"));
  const collected = [];
  const consumer = await new GenericContainer("busybox")
    .withLogConsumer((stream) => stream.on("data", (line) => collected.push(line.toString())))
    .withCommand(["sh", "-c", "echo seen; exec sleep 1000"])
    .start();
  await poll("the consumer's line", () => collected.join("").includes("seen"));
  await container.stop();
  await consumer.stop();
});

test("restarted, stopped without removal, committed, and reused", async () => {
  const container = await server().withAutoRemove(false).start();
  await container.exec(["sh", "-c", "echo changed > /www/index.html"]);
  await container.restart();
  assert.equal(await poll("the page", () => page(container).catch(() => undefined)), "changed\n");
  const id = await container.commit({ repo: "node-tc-committed", tag: "1", deleteOnExit: false });
  assert.match(id, /^sha256:/);
  await container.stop({ remove: false });
  assert.equal((await docker.getContainer(container.getId()).inspect()).State.Running, false);
  await docker.getContainer(container.getId()).remove({ v: true });
  await docker.getImage("node-tc-committed:1").remove();
  process.env.TESTCONTAINERS_REUSE_ENABLE = "true";
  const [one, two] = [await sleeper().withReuse().start(), await sleeper().withReuse().start()];
  assert.equal(one.getId(), two.getId());
  await docker.getContainer(one.getId()).remove({ force: true, v: true });
});

// Its helper containers: what removes everything when the tests' process dies.
test("the reaper removes what a killed process left", async () => {
  const script = path.join(import.meta.dirname, "abandon.mjs");
  const env = { ...process.env, TESTCONTAINERS_RYUK_DISABLED: "false", RYUK_CONTAINER_IMAGE: "ryuk:latest" };
  env.TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE = process.env.DOCKER_HOST.replace("unix://", "");
  const child = spawn(process.execPath, [script], { env, stdio: ["ignore", "pipe", "inherit"] });
  const id = (await text(child.stdout)).trim();
  assert.match(id, /^[0-9a-f]{64}$/);
  await poll("the reaper", async () => (await docker.listContainers({ all: true })).length === 0);
});
