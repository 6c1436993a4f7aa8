# shellcheck shell=bash
# Which pods take a taint, for the programs in Python that judge pods.

# judge_pods [ARGUMENT...]: runs the program on standard input, which may call tolerates(pod, taint).
judge_pods() { python3 <(echo "$tolerates" && cat) "$@"; }

tolerates='def tolerates(pod, taint):
    return any(
        t.get("key", taint["key"]) == taint["key"]
        and t.get("effect") in (None, "", taint["effect"])
        and (t.get("operator") == "Exists" or t.get("value", "") == taint.get("value", ""))
        for t in pod["spec"].get("tolerations", [])
    )'
