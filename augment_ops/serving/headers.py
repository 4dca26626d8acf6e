"""Headers of requests and answers that are this project's own, or that it gives a meaning."""

VERSION_HEADER, DECISION_HEADER, REQUEST_HEADER = "Augment-Ops-Version", "Augment-Ops-Decision", "X-Request-Id"
TRACE_HEADER = "X-Trace-Id"  # the W3C's `traceresponse` is a draft that tools do not read
ROLLOUT_HEADER = "Augment-Ops-Rollout"  # which one, and who answered
SUBJECT_HEADER = "Augment-Ops-Subject"  # whom a request is about
AUGMENTATION_HEADER = "Augment-Ops-Augmentation"  # by which policy, how many views; or why by none
