"""saturn: one command deploys the hosts of a homelab, each confirmed by a person, from the machine where git is kept.

The folders are the steps of the flow, met once and in this order:

    topology.yaml -- topology: load, select --> hosts -- session: facts --> plan: build --> report: plan_view
      --> a person -- yes --> rollout: one task a host --> session: ship, start, follow
      == stdin: requests ==> saturn_node on the node == stdout: [STRUCT] ==> events: decode
      --> (host, event) on one queue --> rollout.runner, the only consumer --> state: reduce --> RunState
      --> sinks: report and journal --> state: outcome --> exit code

    journal.replay --> the same reduce --> the same RunState

Imports go down only: cli, app, report | journal, rollout, session | state, plan, topology | tailnet | repository,
events, errors.
"""

__version__ = "0.1.0"
