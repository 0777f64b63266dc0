// dockerode, unmodified: containers, streams, exec, archives, images, networks, volumes and events.

import assert from "node:assert/strict";
import { once } from "node:events";
import { buffer, text } from "node:stream/consumers";
import { PassThrough, Readable } from "node:stream";
import { after, test } from "node:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import Docker from "dockerode";
import tar from "tar-stream";

import { poll } from "./poll.mjs";

const socketPath = process.env.DOCKER_HOST.replace("unix://", "");
const docker = new Docker({ socketPath });
const made = new Set();

async function create(name, options) {
  const container = await docker.createContainer({ Image: "busybox", name, ...options });
  made.add(container);
  return container;
}

async function running(name, options) {
  const container = await create(name, { Cmd: ["sleep", "1000"], ...options });
  await container.start();
  return container;
}

async function remove(container) {
  made.delete(container);
  await container.remove({ force: true, v: true });
}

/** What an exec prints, apart by stream, and its exit code. */
async function execute(container, Cmd, options = {}) {
  const exec = await container.exec({ Cmd, AttachStdout: true, AttachStderr: true, ...options });
  const stream = await exec.start({ hijack: true, stdin: Boolean(options.AttachStdin) });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, stdout, stderr);
  stream.on("end", () => [stdout, stderr].forEach((it) => it.end()));
  if (options.input) stream.end(options.input);
  const [out, error] = await Promise.all([text(stdout), text(stderr)]);
  return { out, error, code: (await exec.inspect()).ExitCode };
}

function archive(files) {
  const pack = tar.pack();
  for (const [name, content] of Object.entries(files)) pack.entry({ name, mode: 0o640, uid: 1000, gid: 1001 }, content);
  pack.finalize();
  return pack;
}

after(async () => {
  for (const container of made) await container.remove({ force: true, v: true }).catch(() => {});
});

test("the daemon tells about itself", async () => {
  assert.equal((await docker.ping()).toString(), "OK");
  const version = await docker.version();
  assert.match(version.ApiVersion, /^1\.\d+$/);
  assert.equal(version.Os, "linux");
  const info = await docker.info();
  assert.equal(info.OSType, "linux");
  const usage = await docker.df();
  assert.ok(usage.Images ?? usage.ImageUsage ?? usage.ImagesDiskUsage, JSON.stringify(Object.keys(usage)));
});

test("run gives streams and the exit code", async () => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const texts = Promise.all([text(stdout), text(stderr)]);
  const [result, container] = await docker.run("busybox", ["sh", "-c", "echo out; echo err >&2; exit 7"], [stdout, stderr], {
    Tty: false,
    Env: ["A=1"],
  });
  made.add(container);
  stdout.end();
  stderr.end();
  assert.equal(result.StatusCode, 7);
  assert.deepEqual(await texts, ["out\n", "err\n"]);
  await remove(container);
});

test("a life of a container", async () => {
  const container = await create("node-life", { Cmd: ["sh", "-c", "echo up; sleep 1000"], Labels: { suite: "node" } });
  assert.equal((await container.inspect()).State.Status, "created");
  await container.start();
  await assert.rejects(container.start(), { statusCode: 304 });
  await container.pause();
  assert.equal((await container.inspect()).State.Paused, true);
  await container.unpause();
  await container.rename({ name: "node-life-2" });
  assert.equal((await container.inspect()).Name, "/node-life-2");
  await container.update({ Memory: 64 << 20, MemorySwap: 64 << 20 });
  assert.equal((await container.inspect()).HostConfig.Memory, 64 << 20);
  assert.deepEqual((await container.top()).Titles.slice(0, 2), ["UID", "PID"]);
  const listed = await docker.listContainers({ filters: { label: ["suite=node"] } });
  assert.deepEqual(listed.map((it) => it.Names[0]), ["/node-life-2"]);
  const before = (await container.inspect()).State.StartedAt;
  await container.restart({ t: 0 });
  assert.notEqual((await container.inspect()).State.StartedAt, before);
  const ended = container.wait();
  await container.kill({ signal: "SIGKILL" });
  assert.equal((await ended).StatusCode, 137);
  await assert.rejects(container.kill(), { statusCode: 409 });
  await remove(container);
  await assert.rejects(container.inspect(), (error) => error.statusCode === 404 && /No such container/.test(error.reason + error.message));
});

test("attach reads and writes", async () => {
  const container = await create("node-attach", { Cmd: ["cat"], OpenStdin: true, StdinOnce: true, AttachStdin: true });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const stdout = new PassThrough();
  docker.modem.demuxStream(stream, stdout, stdout);
  stream.on("end", () => stdout.end());
  await container.start();
  stream.write("to and ");
  stream.end("fro\n");
  assert.equal(await text(stdout), "to and fro\n");
  assert.equal((await container.wait()).StatusCode, 0);
  await remove(container);
});

test("a terminal is one raw stream that can be resized", async () => {
  const container = await create("node-tty", { Cmd: ["sh", "-c", "read line; stty size"], Tty: true, OpenStdin: true });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const all = text(stream);
  await container.start();
  await container.resize({ h: 31, w: 97 });
  stream.write("go\n");
  assert.match(await all, /31 97\r\n/);
  await remove(container);
});

test("logs at once and followed", async () => {
  const container = await create("node-logs", { Cmd: ["sh", "-c", "for i in 1 2 3; do echo $i; done; sleep 0.1; echo e >&2"] });
  await container.start();
  await container.wait();
  const whole = await container.logs({ stdout: true, stderr: true });
  const [out, error] = [[], []];
  for (let at = 0; at < whole.length; ) {
    const length = whole.readUInt32BE(at + 4);
    (whole[at] === 1 ? out : error).push(whole.subarray(at + 8, at + 8 + length).toString());
    at += 8 + length;
  }
  assert.deepEqual([out.join(""), error.join("")], ["1\n2\n3\n", "e\n"]);
  const last = await container.logs({ stdout: true, stderr: true, tail: 1, timestamps: true });
  assert.match(last.subarray(8).toString(), /^\d{4}-\d\d-\d\dT[\d:.]+Z e\n$/);
  const followed = await container.logs({ stdout: true, follow: true });
  const stdout = new PassThrough();
  docker.modem.demuxStream(followed, stdout, stdout);
  followed.on("end", () => stdout.end());
  assert.equal(await text(stdout), "1\n2\n3\n");
  await remove(container);
});

test("exec with streams, input, exit codes and detached", async () => {
  const container = await running("node-exec");
  assert.deepEqual(await execute(container, ["sh", "-c", "echo o; echo e >&2; exit 3"]), { out: "o\n", error: "e\n", code: 3 });
  const fed = await execute(container, ["wc", "-c"], { AttachStdin: true, input: "12345" });
  assert.equal(fed.out.trim(), "5");
  const own = await execute(container, ["sh", "-c", "echo $A; id -u; pwd"], { Env: ["A=b"], User: "app", WorkingDir: "/tmp" });
  assert.equal(own.out, "b\n1000\n/tmp\n");
  const detached = await container.exec({ Cmd: ["touch", "/made"] });
  (await detached.start({ Detach: true })).resume();
  await poll("the detached exec", async () => !(await detached.inspect()).Running);
  assert.equal((await execute(container, ["test", "-e", "/made"])).code, 0);
  await remove(container);
});

test("archives go in and come out", async () => {
  const container = await create("node-archive", { Cmd: ["true"] });
  await container.putArchive(archive({ "in.txt": "content" }), { path: "/tmp" });
  const info = await container.infoArchive({ path: "/tmp/in.txt" });
  info.resume();
  const stat = JSON.parse(Buffer.from(info.headers["x-docker-container-path-stat"], "base64"));
  assert.deepEqual([stat.name, stat.size, stat.mode & 0o777], ["in.txt", 7, 0o640]);
  const extract = tar.extract();
  const found = [];
  extract.on("entry", async (header, stream, next) => {
    found.push([header.name, header.uid, (await buffer(stream)).toString()]);
    next();
  });
  (await container.getArchive({ path: "/tmp/in.txt" })).pipe(extract);
  await once(extract, "finish");
  assert.deepEqual(found, [["in.txt", 1000, "content"]]);
  const changes = await container.changes();
  assert.deepEqual(changes, [{ Path: "/tmp", Kind: 0 }, { Path: "/tmp/in.txt", Kind: 1 }]);
  await assert.rejects(container.infoArchive({ path: "/none" }), { statusCode: 404 });
  await remove(container);
});

test("stats once and streamed", async () => {
  const container = await running("node-stats");
  const once_ = await container.stats({ stream: false });
  assert.ok(once_.memory_stats.usage > 0 && once_.precpu_stats.system_cpu_usage > 0);
  const stream = await container.stats({ stream: true });
  const [first] = await once(stream, "data");
  assert.equal(JSON.parse(first).name, "/node-stats");
  stream.destroy();
  await remove(container);
});

test("images are built, tagged, exported, loaded, committed and removed", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "gantry-node-"));
  await writeFile(path.join(folder, "Dockerfile"), "FROM busybox\nARG WORD\nCOPY word /\nRUN echo $WORD >> /word\nLABEL suite=node\n");
  await writeFile(path.join(folder, "word"), "copied\n");
  const stream = await docker.buildImage({ context: folder, src: ["Dockerfile", "word"] }, { t: "node-built:1", buildargs: { WORD: "given" }, networkmode: "none" });
  const lines = await new Promise((resolve, reject) => docker.modem.followProgress(stream, (error, all) => (error ? reject(error) : resolve(all))));
  assert.ok(lines.some((it) => it.stream?.includes("Successfully tagged node-built:1")), JSON.stringify(lines));
  await rm(folder, { recursive: true });
  const image = docker.getImage("node-built:1");
  assert.equal((await image.inspect()).Config.Labels.suite, "node");
  assert.equal((await image.history())[0].CreatedBy.includes("LABEL"), true);
  await image.tag({ repo: "node-built", tag: "2" });
  const saved = await buffer(await docker.getImage("node-built:2").get());
  await docker.getImage("node-built:2").remove();
  const loaded = await text(await docker.loadImage(Readable.from([saved])));
  assert.match(loaded, /Loaded image: node-built:2/);
  const [result, container] = await docker.run("node-built:2", ["cat", "/word"], new PassThrough(), { HostConfig: { NetworkMode: "none" } });
  made.add(container);
  assert.equal(result.StatusCode, 0);
  const committed = await container.commit({ repo: "node-committed", comment: "a remark" });
  assert.equal((await docker.getImage("node-committed").inspect()).Id, committed.Id);
  await remove(container);
  for (const name of ["node-committed", "node-built:1", "node-built:2"]) await docker.getImage(name).remove();
  await assert.rejects(docker.getImage("node-built:1").inspect(), { statusCode: 404 });
});

test("a failing build says why", async () => {
  const stream = await docker.buildImage(archive({ Dockerfile: "FROM busybox\nRUN exit 9\n" }), { networkmode: "none" });
  const lines = await new Promise((resolve) => docker.modem.followProgress(stream, (_, all) => resolve(all)));
  assert.match(lines.at(-1).error ?? JSON.stringify(lines), /returned a non-zero code: 9/);
  assert.equal(lines.at(-1).errorDetail.code, 9);
});

test("networks and volumes", async () => {
  const network = await docker.createNetwork({ Name: "node-net", IPAM: { Config: [{ Subnet: "10.91.0.0/24" }] }, Labels: { suite: "node" } });
  const volume = await docker.createVolume({ Name: "node-volume", Labels: { suite: "node" } });
  assert.equal(volume.Name ?? volume.name, "node-volume");
  const server = await running("node-server", {
    Cmd: ["sh", "-c", "echo served > /data/index.html; httpd -f -p 80 -h /data"],
    HostConfig: { NetworkMode: "node-net", Binds: ["node-volume:/data"], PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1" }] } },
    ExposedPorts: { "80/tcp": {} },
  });
  const port = (await server.inspect()).NetworkSettings.Ports["80/tcp"][0].HostPort;
  const page = await poll("the page", () => fetch(`http://127.0.0.1:${port}/`).then((it) => it.text()).catch(() => undefined));
  assert.equal(page, "served\n");
  const client = await running("node-client", { HostConfig: { NetworkMode: "none" } });
  await docker.getNetwork("none").disconnect({ Container: client.id });
  await network.connect({ Container: client.id, EndpointConfig: { Aliases: ["caller"], IPAMConfig: { IPv4Address: "10.91.0.77" } } });
  assert.equal((await execute(client, ["wget", "-qO-", "http://node-server/"])).out, "served\n");
  const inside = Object.values((await network.inspect()).Containers).map((it) => it.IPv4Address);
  assert.ok(inside.includes("10.91.0.77/24"), inside.join());
  assert.deepEqual((await docker.listNetworks({ filters: { label: ["suite=node"] } })).map((it) => it.Name), ["node-net"]);
  assert.deepEqual((await docker.listVolumes({ filters: { label: ["suite=node"] } })).Volumes.map((it) => it.Name), ["node-volume"]);
  await network.disconnect({ Container: client.id });
  await assert.rejects(docker.getVolume("node-volume").remove(), { statusCode: 409 });
  await remove(server);
  await remove(client);
  await network.remove();
  await docker.getVolume("node-volume").remove();
});

test("events tell what happened", async () => {
  const since = Date.now() / 1000;
  const stream = await docker.getEvents({ filters: { type: ["container"], container: ["node-events"] } });
  const seen = [];
  stream.on("data", (chunk) => seen.push(...chunk.toString().trim().split("\n").map((line) => JSON.parse(line).Action)));
  const container = await create("node-events", { Cmd: ["true"] });
  await container.start();
  await container.wait();
  await remove(container);
  await poll("the events", () => seen.includes("destroy"));
  assert.deepEqual(seen.filter((it) => ["create", "start", "die", "destroy"].includes(it)), ["create", "start", "die", "destroy"]);
  stream.destroy();
  const again = await docker.getEvents({ since, until: Date.now() / 1000 + 1, filters: { container: ["node-events"] } });
  assert.match(await text(again), /"Action":"die"/);
});

test("prune takes what is stopped", async () => {
  const container = await create("node-prune", { Cmd: ["true"], Labels: { prune: "me" } });
  const pruned = await docker.pruneContainers({ filters: { label: ["prune=me"] } });
  assert.deepEqual(pruned.ContainersDeleted, [container.id]);
  made.delete(container);
  assert.equal((await docker.pruneVolumes({ filters: { label: ["prune=me"] } })).SpaceReclaimed, 0);
});
