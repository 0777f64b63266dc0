"""Networks through docker-py, on a host of their own."""

import docker
import pytest

from conftest import DEADLINE_S, busybox_root, running_daemon

IMAGE = "pybox:latest"


@pytest.fixture(scope="module")
def host():
    with running_daemon("pynet", has_host=True) as running:
        client = docker.DockerClient(base_url=running.host)
        client.api.import_image_from_data(busybox_root(), repository="pybox", tag="latest", changes=['CMD ["sh"]'])
        client.close()
        yield running


@pytest.fixture(params=["auto", "1.43", "1.41"])
def client(request, host):
    client = docker.DockerClient(base_url=host.host, version=request.param, timeout=DEADLINE_S)
    yield client
    for container in client.containers.list(all=True):
        container.remove(force=True)
    client.networks.prune()
    client.close()


def pool(**options):
    return docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(**options)])


def sleeper(client, name, **options):
    return client.containers.run(IMAGE, ["sleep", "1000"], name=name, detach=True, **options)


def own(container, network):
    container.reload()
    return container.attrs["NetworkSettings"]["Networks"][network]


def test_a_network_is_made_listed_and_removed(client):
    network = client.networks.create(
        "mine",
        driver="bridge",
        ipam=pool(subnet="10.52.0.0/24", gateway="10.52.0.7", iprange="10.52.0.128/25", aux_addresses={"a": "10.52.0.9"}),
        labels={"a": "b"},
        options={"com.docker.network.driver.mtu": "1400"},
        internal=True,
        attachable=True,
    )
    assert network.attrs["Internal"] and network.attrs["Attachable"]
    assert network.attrs["Labels"] == {"a": "b"}
    assert network.attrs["IPAM"]["Config"] == [
        {
            "Subnet": "10.52.0.0/24",
            "Gateway": "10.52.0.7",
            "IPRange": "10.52.0.128/25",
            "AuxiliaryAddresses": {"a": "10.52.0.9"},
        }
    ]
    assert [it.name for it in client.networks.list(names=["mine"])] == ["mine"]
    assert [it.name for it in client.networks.list(filters={"label": "a=b"})] == ["mine"]
    assert {"bridge", "host", "none"} <= {it.name for it in client.networks.list()}
    assert client.networks.get(network.id[:12]).name == "mine"
    network.remove()
    with pytest.raises(docker.errors.NotFound):
        client.networks.get("mine")


def test_containers_come_and_go(client):
    one = client.networks.create("one", ipam=pool(subnet="10.52.0.0/24"))
    two = client.networks.create("two", ipam=pool(subnet="10.53.0.0/24"))
    box = sleeper(client, "box", network="one")
    two.connect(box, ipv4_address="10.53.0.9", aliases=["db"], driver_opt={})
    assert own(box, "one")["IPAddress"] == "10.52.0.2"
    assert own(box, "two")["IPAddress"] == "10.53.0.9"
    assert "db" in own(box, "two")["Aliases"]
    two.reload()
    assert [it.name for it in two.containers] == ["box"]
    near = client.containers.run(IMAGE, ["ping", "-c1", "-W5", "db"], network="two", remove=True)
    assert b"10.53.0.9" in near
    with pytest.raises(docker.errors.APIError) as refused:
        one.remove()
    assert refused.value.status_code == 403 and "has active endpoints" in refused.value.explanation
    one.disconnect(box)
    assert list(box.attrs["NetworkSettings"]["Networks"]) != [] and own(box, "two")
    two.disconnect(box, force=True)
    box.reload()
    assert box.attrs["NetworkSettings"]["Networks"] == {}


def test_ports_are_published(client):
    ports = {"80/tcp": [("127.0.0.1", 8080), 8081], "53/udp": None, "81/tcp": ("::1", 8082)}
    box = sleeper(client, "box", ports=ports)
    box.reload()
    assert {"HostIp": "127.0.0.1", "HostPort": "8080"} in box.ports["80/tcp"]
    assert {"HostIp": "0.0.0.0", "HostPort": "8081"} in box.ports["80/tcp"]
    assert box.ports["81/tcp"] == [{"HostIp": "::1", "HostPort": "8082"}]
    assert all(int(it["HostPort"]) > 1024 for it in box.ports["53/udp"])
    late = client.containers.create(IMAGE, ["true"], ports={"80/tcp": 8081})
    with pytest.raises(docker.errors.APIError) as refused:
        late.start()
    assert "Bind for 0.0.0.0:8081 failed: port is already allocated" in refused.value.explanation


@pytest.mark.parametrize(
    "options, says",
    [
        ({"ipam": pool(subnet="172.17.0.0/16")}, "Pool overlaps"),
        ({"ipam": pool(subnet="10.52.0.1/24")}, "it should be 10.52.0.0/24"),
        ({"ipam": pool(subnet="10.52.0.0/24", gateway="10.53.0.1")}, "no configured subnet contains"),
        ({"driver": "nothing"}, "could not find plugin nothing"),
        ({"options": {"com.docker.network.driver.mtu": "1"}}, "invalid MTU"),
    ],
)
def test_what_cannot_be_is_refused(client, options, says):
    with pytest.raises(docker.errors.APIError) as refused:
        client.networks.create("never", **options)
    assert says in refused.value.explanation
    with pytest.raises(docker.errors.NotFound):
        client.networks.get("never")


def test_two_families(client):
    pools = [docker.types.IPAMPool(subnet="10.54.0.0/24"), docker.types.IPAMPool(subnet="fd00:54::/64")]
    client.networks.create("both", enable_ipv6=True, ipam=docker.types.IPAMConfig(pool_configs=pools))
    endpoint = client.api.create_endpoint_config(ipv6_address="fd00:54::9")
    config = client.api.create_networking_config({"both": endpoint})
    made = client.api.create_container(
        IMAGE, ["sleep", "1000"], networking_config=config, host_config=client.api.create_host_config(network_mode="both")
    )
    client.api.start(made)
    box = client.containers.get(made["Id"])
    assert own(box, "both")["GlobalIPv6Address"] == "fd00:54::9"
    near = client.containers.run(IMAGE, ["ping6", "-c1", "-W5", box.id[:12]], network="both", remove=True)
    assert b"fd00:54::9" in near
