# What stands on a machine, in lines `saturn-fact KEY=VALUE`. It changes nothing. dash, bash and busybox run it.
# Before it stand root=, repo=, become= (yes: the executor runs through sudo) and the function compose().

fact() {
    printf 'saturn-fact %s=%s\n' "$1" "$(printf '%s' "$2" | tr -d '\000-\037\177' | cut -c1-200)"
}
has() {
    command -v "$1" >/dev/null 2>&1
}
limited() {
    if has timeout; then timeout 20 "$@"; else "$@"; fi
}
first_line() {
    "$@" 2>/dev/null </dev/null | head -n 1
}

who() {
    login=$(id -un)
    fact user "$login"
    fact uid "$(id -u)"
    fact group "$(id -gn)"
    case " $(id -nG) " in *' docker '*) fact in_group yes ;; *) fact in_group no ;; esac
    members=$(sed -n 's/^docker:[^:]*:[^:]*:/,/p' /etc/group 2>/dev/null | head -n 1)
    case "$members," in *",$login,"*) fact listed yes ;; *) fact listed no ;; esac
    if [ "$(id -u)" = 0 ]; then fact sudo root
    elif ! has sudo; then fact sudo none
    elif sudo -n true >/dev/null 2>&1 </dev/null; then fact sudo yes
    else fact sudo password
    fi
}

system() {
    if [ -r /etc/os-release ]; then
        fact os "$( (. /etc/os-release && printf '%s' "$ID") 2>/dev/null)"
    fi
    for each in apt-get dnf apk pacman; do
        if has "$each"; then fact manager "${each%-get}"; break; fi
    done
    if [ -d /run/systemd/system ]; then fact init systemd
    elif has rc-service; then fact init openrc
    else fact init other
    fi
    if [ -e "/var/lib/systemd/linger/$login" ]; then fact lingers yes; else fact lingers no; fi
}

tools() {
    fact python "$(first_line python3 -V)"
    fact git "$(first_line git --version)"
    fact docker "$(first_line docker --version)"
    fact compose "$(first_line compose version --short)"
    if [ "$become" = no ]; then fact becomes yes
    elif limited sudo -n python3 -c pass >/dev/null 2>&1 </dev/null; then fact becomes yes
    else fact becomes no
    fi
    if ! has docker; then fact socket none; return; fi
    if [ "$become" = yes ]; then  # root may always; sudo may be allowed for python3 alone, so docker is not asked
        if [ -S /var/run/docker.sock ]; then fact socket ok; else fact socket down; fi
        return
    fi
    said=$(limited docker version --format '{{.Server.Version}}' 2>&1 </dev/null)
    case "$?,$said" in
        0,*) fact socket ok ;;
        *[Pp]'ermission denied'*) fact socket denied ;;
        *) fact socket down ;;
    esac
}

folders() {
    if [ -d "$root" ]; then kind=folder; elif [ -e "$root" ] || [ -L "$root" ]; then kind=other; else kind=none; fi
    fact root "$kind"
    if [ "$kind" = folder ]; then
        if [ -w "$root" ] && [ -x "$root" ]; then fact writable yes; else fact writable no; fi
        if [ -z "$(ls -A "$root" 2>/dev/null | head -n 1)" ]; then fact empty yes; else fact empty no; fi
    fi
    for each in bin config data logs state; do
        if [ ! -d "$root/$each" ]; then fact missing "$each"; fi
    done
    if [ -w "$(dirname "$root")" ]; then fact parent_writable yes; else fact parent_writable no; fi
    if [ -e "$repo/.git" ]; then fact checkout yes; else fact checkout no; fi
    if [ -e "$root/state/deploy/stage_complete_complete" ]; then fact deployed yes; else fact deployed no; fi
    near=$root
    while [ ! -d "$near" ]; do near=$(dirname "$near"); done
    fact free_kb "$(df -Pk "$near" 2>/dev/null | tail -n 1 | sed 's/.* \([0-9][0-9]*\)  *[0-9]*%.*/\1/')"
}

probe() {
    who
    system
    tools
    folders
    fact end yes
}

probe 2>/dev/null
exit 0
