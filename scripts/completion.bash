# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of pi-bench, pi-info, attr-cost and guest, out of what their --help says.

_fio_pi_layouts()
{
	local info
	for info in pi-info build/t/pi-info; do
		command -v "$info" >/dev/null && "$info" --json | grep -o '"layouts": {[^}]*}' | grep -o '"[a-z0-9]*":' | grep -v layouts | tr -d '":'
	done | sort -u
}

_fio_pi()
{
	local program=${1/#\~/$HOME} current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local word command='' help words='' at
	for ((at = 1; at < COMP_CWORD; at++)); do
		word=${COMP_WORDS[at]}
		[[ $word == -- ]] && { compopt -o default 2>/dev/null; return; }
		[[ -z $command && $word != -* ]] && command=$word
	done
	help=$("$program" --help 2>/dev/null)
	if [[ $help == *COMMAND* && -n $command ]]; then
		help=$("$program" "$command" --help 2>/dev/null)
	elif [[ $help == *COMMAND* && $current != -* ]]; then
		words=$(sed -n 's/^    \([a-z][a-z-]*\)\( .*\)\?$/\1/p' <<<"$help" | grep -v session)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
		return
	fi
	case $before in
	--kernel) words='stock lab' ;;
	--disk) words='4096 4096+8 512+8 4096+64 4096+64,guard=crc64 scsi_debug:4096+8 scsi_debug:512+8 null_blk:4096 null_blk:4096+8' ;;
	--layout) words=$(_fio_pi_layouts) ;;
	--*) words=$(sed -n "s/.*$before {\([^}]*\)}.*/\1/p" <<<"$help" | head -n 1 | tr , ' ') ;;
	esac
	if [[ $current == -* ]]; then
		words=$(grep -o -- '--[a-z][a-z-]*' <<<"$help" | sort -u)
	elif [[ -z $words && $command == explain && $before != --* ]]; then
		words="$(_fio_pi_layouts) io_uring plain-autopi plain-noverify plain-nopi"
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	[[ -n $words ]] || compopt -o default 2>/dev/null
}

complete -F _fio_pi pi-bench pi-info attr-cost
# the name is too common for a system
[[ ${BASH_SOURCE[0]} != *completion.bash ]] || complete -F _fio_pi guest
