#!/bin/sh
# A docker of fixed cost, which is run as ROOT/docker. It keeps what it knows beside it: `costs` has the seconds that an
# `up`, another word of compose, and a question to the engine take, 0 for next to nothing; `containers/sN` has the
# release and the folder of project sN, `calls` a line for each call. Compose files
# are JSON as compose would resolve them. Every image is there, and every container is healthy. But for the `sleep` it
# starts no program and no shell of its own: that would cost more than what it stands for.
here=${0%/*}
echo "$*" >>"$here/calls"
read -r of_up of_compose of_engine <"$here/costs"

# What a call takes, however many do so at once: on machines of their own they would not share a processor.
takes() { case $1 in 0) ;; *) sleep "$1" ;; esac; }

# The container of a project: project, release, folder, id.
known() {
  read -r release folder <"$here/containers/$1"
  project=$1 id=$digest$((10000 + release))$((10000 + ${1#s}))
}

projects() {
  for path in "$here"/containers/*; do
    if [ -e "$path" ]; then known "${path##*/}" && "$@"; fi
  done
}

listed() { case $wanted in '' | "=$project") echo "$id" ;; esac; }

described() {
  case " $wanted " in *" $id "* | *" $project-$project-1 "*) ;; *) return ;; esac
  echo "$comma{\"Id\": \"$id\", \"Name\": \"/$project-$project-1\", \"Image\": \"sha256:$digest\", \"RestartCount\": 0,
 \"Config\": {\"Image\": \"bench/$project:1\", \"Labels\": {
  \"com.docker.compose.project\": \"$project\", \"com.docker.compose.service\": \"$project\",
  \"com.docker.compose.config-hash\": \"$id\", \"com.docker.compose.project.working_dir\": \"$folder\"}},
 \"State\": {\"Status\": \"running\", \"ExitCode\": 0, \"StartedAt\": \"2026-01-01T00:00:00.${release}Z\",
  \"Health\": {\"Status\": \"healthy\"}},
 \"HostConfig\": {\"RestartPolicy\": {\"Name\": \"unless-stopped\"}}}"
  comma=,
}

compose() {
  folder=$PWD
  while :; do
    case $1 in
      -p) project=$2 ;;
      -f) file=$2 ;;
      --project-directory) folder=$2 ;;
      *) break ;;
    esac
    shift 2
  done
  case $1 in
    version) takes "$of_compose"; echo 2.40.2 ;;
    config) takes "$of_compose"; while read -r line; do echo "$line"; done <"$file" ;;
    up)
      takes "$of_up"
      while read -r line; do
        case $line in *'"RELEASE"'*) release=${line#*: \"} release=${release%%\"*} ;; esac
      done <"$file"
      echo "$release $folder" >"$here/containers/$project"
      echo " Container $project-$project-1  Started" >&2
      ;;
    *) unknown "compose $1" ;;
  esac
}

unknown() {
  echo "the benchmark's docker knows no $1" >&2
  exit 1
}

digest=000000000000000000000000000000000000000000000000000000
if [ "$1" = compose ]; then
  shift
  compose "$@"
  exit
fi
takes "$of_engine"
case $1 in
  version) echo 28.2.2 ;;
  info) echo "$here" ;;
  ps) wanted=${*##*compose.project} wanted=${wanted%% *}; projects listed ;;
  inspect) wanted=$*; echo '['; projects described; echo ']' ;;
  image) shift 4; for _; do echo "sha256:$digest [\"bench@sha256:$digest\"]"; done ;;
  *) unknown "$1" ;;
esac
