"""Online features over gRPC: the server, its clients, and the only code that knows protobuf.

values.py          an Arrow array on the wire, and back
codec.py           requests, answers and descriptions on the wire, and back
entities.py        what a caller gives as rows, as typed key columns
status.py          errors as gRPC statuses, and back
protocol.py        names and limits that both sides share
service.py         the two methods, answered by a store
control_codec.py   what operators' verbs answer, on the wire and back
control_service.py the operators' methods, answered by a store
health.py          health and reflection, on threads of their own
answering.py       a gRPC server over an open store, until told to drain
listener.py        one address, bound once, for all workers
worker.py          one process: opens the store and answers
supervisor.py      several workers on one port; a dead one is replaced
server.py          `serve`
calls.py           what both clients share
client.py          `connect`
client_async.py    `connect_async`
control.py         `client.control`: the operators' methods of both clients
v1/                generated from proto/featurestore/serving/v1
"""
