"""Online features over gRPC: the server, its clients, and the only code that knows protobuf.

values.py          an Arrow array on the wire, and back
codec.py           requests, answers and descriptions on the wire, and back
entities.py        what a caller gives as rows, as typed key columns
status.py          errors as gRPC statuses, and back
protocol.py        names and limits that both sides share
methods.py         around every answer: errors become statuses
service.py         the two methods, answered by a store
control_codec.py   what operators' verbs answer, on the wire and back
control_service.py the operators' methods, answered by a store
health.py          health and reflection, on threads of their own
tokens.py          the file of credentials
access.py          who may call what
pool.py            threads that answer, and callers who keep them waiting
meter.py           what a worker counts
tracing.py         OpenTelemetry, when it is configured
gate.py            the one way in to every method: credentials, admission, timing, audit
tls.py             certificates, read again when they change
files.py           how that is noticed
answering.py       a gRPC server over an open store, until told to drain
logs.py            lines for people or for machines
listener.py        one address, bound once, for all workers
worker.py          one process: opens the store and answers
supervisor.py      workers on one port; a dead one is replaced
monitoring.py      Prometheus metrics over all workers
server.py          `serve`
check.py           `serve --check`
calls.py           what both clients share
client.py          `connect`
client_async.py    `connect_async`
control.py         `client.control`: the operators' methods of both clients
v1/                generated from proto/featurestore/serving/v1
"""
