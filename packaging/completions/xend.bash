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
    local word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [ "$word" = check-config ] && [[ $cur != -* ]]; then
            compopt -o filenames 2>/dev/null
            local IFS=$'\n'
            COMPREPLY=($(compgen -f -- "$cur"))
            return
        fi
    done
    case $cur in
        -*) COMPREPLY=($(compgen -W "--root --simulate --foreground --help --version" -- "$cur")) ;;
        *) COMPREPLY=($(compgen -W "start stop restart reload status check-config" -- "$cur")) ;;
    esac
}

complete -F _xend xend
