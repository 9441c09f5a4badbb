# Completion of xend(8) for bash.

_xend() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    if [ "${COMP_WORDS[COMP_CWORD - 1]}" = --root ]; then
        compopt -o filenames 2>/dev/null
        local IFS=$'\n'
        COMPREPLY=($(compgen -d -- "$cur"))
        return
    fi
    case $cur in
        -*) COMPREPLY=($(compgen -W "--root --simulate --foreground --help --version" -- "$cur")) ;;
        *) COMPREPLY=($(compgen -W "start stop restart reload status" -- "$cur")) ;;
    esac
}

complete -F _xend xend
