#!/usr/bin/env python3
"""Speaks the contract with Python's `websockets`, a client that nobody here wrote.

    pip install -r tests/clients/requirements.txt
    tests/clients/python_websockets.py http://127.0.0.1:8080

Two guests come in, one of them walks, both talk, and they leave. Another loses its connection and comes back to its
place. Every wait has an end.
"""

import json
import socket as sockets
import sys
import urllib.parse

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

PATIENCE_S = 20
JSON = "evertick.v1.json"
POSTCARD = "evertick.v1.postcard"


class Player:
    """One connection that speaks JSON."""

    def __init__(self, socket):
        self.socket = socket
        self.waiting = []
        self.seq = None
        self.last_id = 0
        self.sent = 0
        self.resumed_at = 0

    def send(self, name, data=None, numbered=False):
        packet = {"type": name, "data": data or {}}
        # What asks to come in is the connection's, all else the player's.
        self.sent += name != "auth_request"
        if numbered:
            self.last_id += 1
            packet["id"] = self.last_id
        self.socket.send(json.dumps(packet))
        return packet.get("id")

    def request(self, name, data=None):
        number = self.send(name, data, numbered=True)
        return self.wait(lambda packet: packet.get("re") == number)

    def packet(self, name):
        return self.wait(lambda packet: packet["type"] == name)["data"]

    def wait(self, is_it):
        """The first packet that is it; those before it stay to be asked for."""
        seen = 0
        while True:
            for index in range(seen, len(self.waiting)):
                if is_it(self.waiting[index]):
                    return self.waiting.pop(index)
            seen = len(self.waiting)
            self.receive()

    def receive(self):
        message = self.socket.recv(timeout=PATIENCE_S)
        assert isinstance(message, str), "JSON comes in text frames"
        batch = json.loads(message)
        assert batch["tick"] >= 0 and batch["time"] > 1_600_000_000_000, batch
        if self.seq is None:
            assert batch["seq"] == 0, "batches up to the one with auth_response are the connection's"
        else:
            assert batch["seq"] == self.seq + 1, f"{batch['seq']} after {self.seq}"
            self.seq = batch["seq"]
        if any(packet["type"] == "auth_response" for packet in batch["packets"]):
            self.seq = self.resumed_at
        self.waiting += batch["packets"]

    def join(self, name):
        connected = self.packet("connected")
        assert connected["instance"].startswith("eternity-"), connected
        assert connected["protocol"]["min"] <= 1 <= connected["protocol"]["max"], connected
        response = self.request("auth_request", {"version": 1, "guest": name})
        assert response["type"] == "auth_response", response
        self.id = response["data"]["player_id"]
        assert self.id >= 1_000_000_000 and response["data"]["guest"] is True, response
        self.name = response["data"]["username"]
        self.token = response["data"]["resume_token"]
        self.state = self.packet("game_state")
        assert self.state["you"]["id"] == self.id and self.state["you"]["name"] == self.name, self.state["you"]
        return self

    def resume(self, lost):
        """Comes back as somebody whose connection was lost; what the server has taken of what was sent."""
        self.packet("connected")
        self.resumed_at = lost.seq
        response = self.request("auth_request", {"version": 1, "resume": {"token": lost.token, "seq": lost.seq}})
        data = response["data"]
        assert data["resumed"] and not data["full_state"] and data["player_id"] == lost.id, response
        assert data["resume_token"] != lost.token, "each comes with the next token"
        self.id, self.token, self.sent = lost.id, data["resume_token"], data["received"]
        return data["received"]

    def ending(self):
        """Reads to the end; the close code."""
        try:
            while True:
                self.receive()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def open_socket(url, protocols):
    return connect(url, subprotocols=protocols or None, open_timeout=PATIENCE_S)


def two_guests_meet(url):
    with open_socket(url, [JSON]) as one, open_socket(url, [JSON]) as other:
        meet(Player(one).join("Ann"), Player(other).join("Bob"))
    print("two guests met, walked, talked and left")


def meet(ann, bob):
    assert any(player["id"] == ann.id for player in bob.state["players"]), "who comes later sees who is there"
    ann.wait(lambda p: p["type"] == "player_joined_area" and any(who["id"] == bob.id for who in p["data"]["players"]))

    for time in (0, 1234567):
        pong = ann.request("ping", {"time": time})
        assert pong["type"] == "pong" and pong["data"]["time"] == time and pong["data"]["tick"] > 0, pong

    here = ann.state["you"]["position"]
    there = {"x": here["x"] + 0.5, "y": here["y"] + 0.25}
    ann.send("position_update", {"position": there, "velocity": {"x": 1.0, "y": 0.5}})
    bob.wait(lambda p: p["type"] == "positions" and any(
        move[0] == ann.id and abs(move[1] - there["x"]) < 0.01 for move in p["data"]["moves"]))

    said = ann.request("chat", {"channel": "local", "message": "hello, Bob \N{WAVING HAND SIGN}"})
    assert said["type"] == "ok", said
    for hears in (ann, bob):
        heard = hears.packet("chat")
        assert heard["from"]["id"] == ann.id and heard["message"].startswith("hello, Bob"), heard

    refused = ann.request("move", {"to_location_id": 4_000_000_000})
    assert refused["type"] == "error", refused
    unknown = ann.request("no_such_packet")
    assert unknown["type"] == "invalid_message" and unknown["data"]["code"] == "unknown_type", unknown

    assert bob.request("disconnect", {"reason": "supper"})["type"] == "ok"
    assert bob.ending() == 1000
    ann.wait(lambda p: p["type"] == "player_left_area" and bob.id in p["data"]["players"])
    ann.socket.close(1000, "goodbye")


def lost_and_back(url):
    with open_socket(url, [JSON]) as one, open_socket(url, [JSON]) as other:
        ann, bob = Player(one).join("Cut"), Player(other).join("Dan")
        assert ann.request("chat", {"channel": "global", "message": "before"})["type"] == "ok"
        # The line breaks: no Close frame. What the library had read until then was seen.
        one.socket.shutdown(sockets.SHUT_RDWR)
        assert ann.ending() is None
        assert bob.request("chat", {"channel": "global", "message": "meanwhile"})["type"] == "ok"
        with open_socket(url, [JSON]) as again:
            back = Player(again)
            assert back.resume(ann) == ann.sent
            assert back.wait(lambda p: p["type"] == "chat" and p["data"]["message"] == "meanwhile")
            assert back.request("ping", {"time": 1})["type"] == "pong"
            assert not any(p["type"] == "player_left_area" and ann.id in p["data"]["players"] for p in bob.waiting)
        with open_socket(url, [JSON]) as late:
            spent = Player(late)
            spent.packet("connected")
            refused = spent.request("auth_request", {"version": 1, "resume": {"token": ann.token, "seq": 0}})
            assert refused["data"]["code"] == "session_expired", refused
            assert spent.ending() == 4003
    print("a lost connection was resumed, and a spent token is refused")


def subprotocols(url):
    for offered, chosen in ([], None), ([JSON], JSON), ([POSTCARD], POSTCARD), (["chat", POSTCARD, JSON], POSTCARD):
        with open_socket(url, offered) as socket:
            assert socket.subprotocol == chosen, (offered, socket.subprotocol)
            first = socket.recv(timeout=PATIENCE_S)
            assert isinstance(first, bytes) == (chosen == POSTCARD), "the kind of frame follows the encoding"
    try:
        with open_socket(url, ["chat"]):
            raise AssertionError("an unknown subprotocol must be refused")
    except InvalidStatus as refused:
        assert refused.response.status_code == 400, refused
        assert JSON in refused.response.body.decode() and POSTCARD in refused.response.body.decode()
    print("subprotocols are agreed on, unknown ones are 400")


def postcard_by_hand(url):
    """Joins and pings with bytes that no library wrote: see docs/protocol.md."""
    with open_socket(url, [POSTCARD]) as socket:
        socket.recv(timeout=PATIENCE_S)
        # No id, control packet 0: auth_request, version 1, guest "Post", nothing else.
        socket.send(bytes([0, 0, 0, 1, 0, 0, 0, 1, 4]) + b"Post" + bytes([0]))
        while b"Post" not in socket.recv(timeout=PATIENCE_S):
            pass
        # Id 7, control packet 1: ping, time 5. The pong (2) answers: re 7, time 5.
        socket.send(bytes([1, 7, 0, 1, 1, 5]))
        while bytes([1, 7, 0, 2, 1, 5]) not in socket.recv(timeout=PATIENCE_S):
            pass
    print("postcard is what the page says")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python_websockets.py http://HOST:PORT")
    url = urllib.parse.urlparse(sys.argv[1])._replace(scheme="ws", path="/ws").geturl()
    two_guests_meet(url)
    lost_and_back(url)
    subprotocols(url)
    postcard_by_hand(url)


if __name__ == "__main__":
    main()
