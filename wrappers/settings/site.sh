# shellcheck shell=bash disable=SC2154,SC2034  # what the other parts of launch_copper.sh set and use
# A site's settings: sites/default.conf, and on top of it the file that --site names (sites/README.md has the keys). Data:
# nothing of it is executed or expanded by a shell. Sourced by launch_copper.sh; uses its options.

declare -A settings=()
mpi='' # known when the programs are

# The value of a key on this platform and for the linked MPI, or nothing.
setting() {
  printf '%s' "${settings[$1]-${settings[$1.$platform.$mpi]-${settings[$1.$platform]-}}}"
}

# The words of a value in the array named first.
setting_words() { # array key
  local text
  text=$(setting "$2")
  read -ra "$1" <<<"$text"
}

read_site() { # file
  local line key value number=0
  local plain='platform|mount|cores|net_type|address_book|environment|net\.(cxi|device|interface)'
  local of_platform='(launcher|flags|stay|together|detach|service_flags|front_end_flags|keep)(\.(slurm|pbs|hydra|openmpi)(\.(mpich|openmpi))?)?'
  while IFS= read -r line || [[ -n $line ]]; do
    ((++number))
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
    [[ $line =~ ^[[:space:]]*([a-z_.]+)[[:space:]]*=[[:space:]]*(.*[^[:space:]])?[[:space:]]*$ ]] ||
      refuse "$1, line $number: not a line 'key = value'"
    key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]-}
    [[ $key =~ ^($plain|$of_platform)$ ]] || refuse "$1, line $number: there is no setting '$key'"
    settings[$key]=$value
  done <"$1"
}

# Every option that was not given, as the site has it.
load_site() {
  local file=$lib/sites/$site.conf user
  read_site "$lib/sites/default.conf"
  if [[ -n $site ]]; then
    [[ $site == */* ]] && file=$site
    [[ -f $file && -r $file ]] || refuse "--site $site: there is no $file"
    read_site "$file"
  fi
  user=${USER:-$(id -un)}
  default_mount=${settings[mount]:-/tmp/%u/copper}
  default_mount=${default_mount//%u/$user}
  [[ $default_mount == /* ]] || refuse "$file: the mount directory must be an absolute path, not '$default_mount'"
  mount=${mount:-$default_mount}
  if [[ -z $platform && -z $nodes ]]; then
    platform=${settings[platform]-}
    [[ -z $platform ]] || want_one_of "$file: platform" "$platform" slurm pbs hydra openmpi local
  fi
  if [[ -z $cores ]]; then
    cores=${settings[cores]-}
    [[ -z $cores ]] || want_cores "$file: cores" "$cores"
  fi
  if [[ -z $net_type ]]; then
    net_type=${settings[net_type]-}
    [[ -z $net_type ]] || want_net_type "$file: net_type" "$net_type"
  fi
  if [[ -z $address_book && $address_mode != discover ]]; then
    address_book=${settings[address_book]-}
    [[ -z $address_book ]] || want_readable_file "$file: address_book" "$address_book"
    [[ -n $address_book || $address_mode != facility ]] ||
      printf '%s: no facility address book is given: the hosts are asked for their addresses (discover)\n' "$program" >&2
  fi
}

# Sets site_variables, NAME=VALUE: what a site wants in the environment of Copper's processes, and -n as the libraries under
# their MPI read it.
load_site_variables() {
  local kind name=${net_type#cxi://} words word
  site_variables=()
  read -ra words <<<"${settings[environment]-}"
  case $name in
    '' | auto) kind='' ;;
    cxi) kind=net.cxi ;;
    cxi[0-7]) kind=net.device ;;
    *) kind=net.interface ;;
  esac
  [[ -z $kind ]] || read -ra words <<<"${settings[environment]-} ${settings[$kind]-}"
  for word in "${words[@]}"; do
    [[ $word =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || refuse "the site's environment has '$word', which is not NAME=VALUE"
    site_variables+=("${word//%n/$name}")
  done
}
