# shellcheck shell=bash disable=SC2154,SC2034  # what the other parts of launch_copper.sh set and use
# Where a job runs, and how a program is started on each of its nodes: a step, one process a node, by the scheduler's own
# launcher or by mpiexec. Sourced by launch_copper.sh and stop_copper.sh.
#
#   platform        slurm, pbs, hydra, openmpi, local; by_mpi: hydra or openmpi, known when the programs are
#   scheduler_job   the scheduler's number of the job; empty outside of one
#   host_list       its hosts; empty: this machine

# What the shell is in; an option or a site may have said it already. With --nodes: this machine, whatever it is in.
find_platform() {
  scheduler_job=${SLURM_JOB_ID:-${PBS_JOBID:-}}
  scheduler_job=${scheduler_job%%.*}
  [[ $scheduler_job =~ ^[A-Za-z0-9_.-]*(\[[0-9]*\])?$ ]] || refuse "the scheduler's job id is '$scheduler_job'"
  if [[ -z $platform && -n $nodes ]]; then
    platform=local
  elif [[ -z $platform && -n ${SLURM_JOB_ID:-} ]]; then
    platform=slurm
  elif [[ -z $platform && -n ${PBS_JOBID:-} ]]; then
    platform=pbs
    [[ ! $(mpi_of_launcher mpiexec) =~ ^(mpich|openmpi)$ ]] || platform=by_mpi # PALS is neither
  elif [[ -z $platform ]]; then
    platform=local
    [[ -n $hosts_given ]] && platform=by_mpi
  fi
  case $platform in
    slurm) [[ -n ${SLURM_JOB_ID:-} ]] || refuse "platform slurm, but SLURM_JOB_ID is not set: this is no job of Slurm's" ;;
    pbs) [[ -n ${PBS_JOBID:-} ]] || refuse "platform pbs, but PBS_JOBID is not set: this is no job of PBS's" ;;
  esac
}

# Has the scheduler's job ended, or is it ending, and with it all that was in it? Not where nobody knows.
job_is_over() {
  local said status
  case $platform in
    slurm)
      type -P squeue >/dev/null || return 1
      said=$(squeue -h -j "$scheduler_job" -o %T 2>&1)
      [[ -z $said || $said == COMPLETING || $said == *'Invalid job id'* ]]
      ;;
    pbs)
      type -P qstat >/dev/null || return 1
      qstat "$scheduler_job" >/dev/null 2>&1
      status=$?
      ((status == 35 || status == 153)) # has finished; is not known any more
      ;;
    *) false ;;
  esac
}

# The hosts of the scheduler's job, where --hosts does not say which.
find_hosts() {
  local words=()
  [[ $platform != local && -z $hosts_given ]] || return 0
  if [[ -n ${SLURM_JOB_ID:-} ]]; then
    mapfile -t words < <(expand_hosts "${SLURM_JOB_NODELIST:-}")
    want_hosts SLURM_JOB_NODELIST "${words[@]}"
  elif [[ -n ${PBS_JOBID:-} ]]; then
    want_readable_file PBS_NODEFILE "${PBS_NODEFILE:-}"
    mapfile -t words < <(sed '/^[[:space:]]*$/d' -- "$PBS_NODEFILE")
    want_hosts PBS_NODEFILE "${words[@]}"
  else
    refuse "platform $platform needs hosts outside of a scheduler's job: --hosts or --hostfile"
  fi
}

# Slurm's short form of host names, one host a line: expand_hosts 'login1,x[1-2]c[08-10,12]'
expand_hosts() {
  local list=$1, item='' depth=0 i c
  for ((i = 0; i < ${#list}; ++i)); do
    c=${list:i:1}
    case $c in
      '[') depth=1 ;;
      ']') depth=0 ;;
    esac
    if [[ $c == , && $depth == 0 ]]; then
      [[ -z $item ]] || expand_brackets "$item"
      item=''
    else
      item+=$c
    fi
  done
}

expand_brackets() { # one name, with any number of brackets
  local before=${1%%\[*} inside after range i first last ranges name
  [[ $1 == *\[*\]* ]] || { printf '%s\n' "$1" && return; }
  inside=${1#*\[} after=${1#*\]} inside=${inside%%\]*}
  IFS=, read -ra ranges <<<"$inside"
  for range in "${ranges[@]}"; do
    [[ $range =~ ^[0-9]{1,9}(-[0-9]{1,9})?$ ]] || { printf '%s\n' "$1" && return; } # no host name: refused as such
    first=${range%-*} last=${range#*-}
    for ((i = 10#$first; i <= 10#$last; ++i)); do
      printf -v name '%s%0*d%s' "$before" "${#first}" "$i" "$after"
      if [[ -n $after ]]; then expand_brackets "$name"; else printf '%s\n' "$name"; fi
    done
  done
}

# Sets step: the command that starts a program, whose words follow, once on each host. what is service, front_end or end;
# the file names the whole job's hosts, and hosts after it mean only those.
step_command() { # what host_file hosts...
  local what=$1 host_file=$2 flags stay more count=${#host_list[@]} name some=''
  shift 2
  if (($#)); then
    count=$#
    printf -v some '%s,' "$@"
    some=${some%,}
  fi
  setting_words flags flags
  setting_words stay stay
  more=()
  case $what in
    service)
      # Which ends with the first of its ranks, at once, and is started again (copper_keeper.sh).
      setting_words stay together
      setting_words more service_flags
      ;;
    *) setting_words more front_end_flags ;;
  esac
  case $platform in
    slurm)
      step=("$(setting launcher)" --jobid="$scheduler_job" --nodes="$count" --ntasks="$count" --ntasks-per-node=1)
      [[ -n $some ]] && step+=(--nodelist="$some")
      [[ -z $some && -n $hosts_given ]] && step+=(--nodefile="$host_file")
      ;;
    pbs)
      step=("$(setting launcher)" -n "$count" --ppn 1)
      if [[ -n $some ]]; then step+=(--hosts "$some"); else step+=(--hostfile "$host_file"); fi
      [[ -n $cores ]] && step+=(--cpu-bind "list:$cores")
      ;;
    hydra)
      step=("$mpiexec" -n "$count" -ppn 1)
      if [[ -n $some ]]; then step+=(-hosts "$some"); else step+=(-f "$host_file"); fi
      ;;
    openmpi)
      step=("$mpiexec" -n "$count")
      if [[ -n $some ]]; then step+=(--host "$some"); else step+=(--hostfile "$host_file"); fi
      (($(id -u) == 0)) && step+=(--allow-run-as-root)
      for name in "${clean[@]%%=*}"; do # the others' launchers pass all of the environment on
        [[ $name == OMPI_* ]] || step+=(-x "$name")
      done
      ;;
  esac
  step+=("${flags[@]}" "${stay[@]}" "${more[@]}")
}

# A command as one line for a shell.
shell_line() {
  local word separator=''
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]] || printf -v word %q "$word"
    printf '%s%s' "$separator" "$word"
    separator=' '
  done
  printf '\n'
}
