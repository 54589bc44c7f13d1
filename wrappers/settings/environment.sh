# shellcheck shell=bash disable=SC2154,SC2034  # what the other parts of launch_copper.sh set and use
# What Copper's own processes get: programs of one installation, and an environment in which nothing leads through their own
# mount. Sourced by launch_copper.sh, stop_copper.sh and copper_doctor.sh.

# A colon-separated list without what lies under the mount.
without_mount() {
  local entry kept=''
  while IFS= read -r -d : entry; do
    [[ $entry == "$mount" || $entry == "$mount"/* ]] || kept+=:$entry
  done <<<"$1:"
  printf '%s' "${kept#:}"
}

# Sets clean: lines NAME=VALUE that env -i gets, and takes the mount out of our own PATH. A launcher needs little more than
# the programs; which scheduler, the shell's job and the way to other hosts; what is for the application's steps
# (SLURM_NTASKS, PALS_CPU_BIND ...) would change ours. Arguments: what comes on top, NAME=VALUE.
clean_environment() {
  local name value line keep
  local -A on_top=()
  clean=()
  keep=$(setting keep)
  for line in "$@"; do on_top[${line%%=*}]=1; done
  while IFS= read -r name; do
    [[ -n ${on_top[$name]-} ]] && continue
    case $name in
      PATH | HOME | USER | LOGNAME | LANG | LC_* | TZ | TMPDIR | LD_LIBRARY_PATH) ;;
      OMPI_MCA_* | MPICH_* | MPIR_* | HYDRA_* | UCX_* | FI_* | *SAN_OPTIONS) ;;
      SLURM_CONF | SLURM_MPI_TYPE | PBS_JOBID | PBS_NODEFILE) ;;
      *) [[ " $keep " == *" $name "* ]] || continue ;;
    esac
    value=$(without_mount "${!name}")
    [[ -n $value ]] && clean+=("$name=$value")
  done < <(compgen -e)
  clean+=("$@")
  PATH=$(without_mount "$PATH")
}

# In PATH, else beside the scripts, else in the build tree.
find_program() {
  local found
  found=$(type -P "$1") || found=$here/$1
  [[ -x $found ]] || found=$(realpath -m -- "$here/../build/bin")/$1
  [[ -x $found ]] || refuse "$1 was not found in PATH, in $here or in ${found%/*}: build Copper first"
  realpath -- "$found"
}

# Sets service, front_end, and mpi: the MPI that the service is linked to.
find_programs() {
  service=$(find_program copper_service) || exit
  front_end=$(find_program copper_fuse) || exit
  mpi=$(env -i "${clean[@]}" "$service" --mpi 2>/dev/null)
  [[ $mpi == mpich || $mpi == openmpi ]] || refuse "$service does not say which MPI it needs: '$mpi'"
}

# Which MPI a program called mpiexec belongs to: mpich, openmpi, or nothing that we know.
mpi_of_launcher() {
  case $("$1" --version 2>/dev/null </dev/null) in
    *HYDRA*) printf mpich ;;
    *'Open MPI'* | *OpenRTE* | *PRRTE*) printf openmpi ;;
  esac
}

# The mpiexec of the linked MPI. Where there is only another MPI's: 1, after a line that says so.
find_mpiexec() {
  local name found other=''
  for name in "mpiexec.$mpi" mpiexec.hydra mpiexec; do
    found=$(type -P "$name") || continue
    [[ $(mpi_of_launcher "$found") == "$mpi" ]] && printf '%s' "$found" && return
    other=$found
  done
  if [[ -n $other ]]; then
    printf '%s is not of %s, which copper_service is linked to' "$other" "$mpi"
  else
    printf 'no mpiexec of %s was found in PATH; copper_service needs it' "$mpi"
  fi
  return 1
}

# Whether the platform's launcher is here, and of the linked MPI: a line and 1 where it is not.
check_launcher() {
  local name other
  case $platform in
    hydra | openmpi)
      other=$([[ $platform == hydra ]] && echo mpich || echo openmpi)
      [[ $mpi == "$other" ]] || { echo "platform $platform starts programs of $other, and copper_service is linked to $mpi" && return 1; }
      ;;
  esac
  case $platform in
    slurm | pbs)
      name=$(setting launcher)
      type -P "$name" >/dev/null || { echo "no $name was found in PATH" && return 1; }
      other=$([[ $platform == slurm ]] || mpi_of_launcher "$name")
      [[ -z $other ]] || { echo "$name is not of PALS but of $other: --platform $([[ $other == mpich ]] && echo hydra || echo openmpi)" && return 1; }
      ;;
    *) name=$(find_mpiexec) || { echo "$name" && return 1; } ;;
  esac
}
