# shellcheck shell=bash disable=SC2034
# For commands of this folder: reads [--rows N] [--ranks R] [--help] into `rows` and `ranks`, which hold the defaults
# before. The command is in the folder above, and has defined `usage`.

command=$(basename "$0")

# Prints the value of an option, or stops where it is no whole number of at least 1.
whole_number() {
  if [[ ! $2 =~ ^[1-9][0-9]*$ ]]; then
    echo "$command: $1 takes a whole number of at least 1, but got '$2'; see tools/$command --help" >&2
    return 2
  fi
  echo "$2"
}

while (($#)); do
  case $1 in
    --rows=* | --ranks=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
  esac
  case $1 in
    --rows) rows=$(whole_number --rows "${2-}") ;;
    --ranks) ranks=$(whole_number --ranks "${2-}") ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      echo "$command: unknown argument '$1'; see tools/$command --help" >&2
      exit 2
      ;;
  esac
  shift 2
done
