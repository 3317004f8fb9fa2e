# health_find_by_pkg_config(<package> <module> <debian package>): The common part of our find
# modules.  Looks for <module> with pkg-config, in the version that find_package() was asked for, and
# makes the imported target <package>::<package>; <package>_LDFLAGS is the same for health.pc.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
include(FindPackageHandleStandardArgs)

macro(health_find_by_pkg_config package module debian)
    set(${package}_reason "libhealth needs it. On Debian: apt-get install ${debian}")
    find_package(PkgConfig QUIET)
    if(NOT PKG_CONFIG_FOUND)
        set(${package}_reason "pkg-config, which is to find it, is missing. On Debian: apt-get install pkgconf ${debian}")
    else()
        pkg_check_modules(PC_${package} QUIET ${module})
    endif()
    if(PC_${package}_FOUND)
        # A library that is there as an archive only needs what is behind it, for which pkg-config
        # has flags alone.
        set(${package}_LIBRARIES "${PC_${package}_LINK_LIBRARIES}")
        set(${package}_LDFLAGS "${PC_${package}_LDFLAGS}")
        if("${PC_${package}_LINK_LIBRARIES}" MATCHES "\\.a(;|$)")
            set(${package}_LIBRARIES "${PC_${package}_STATIC_LDFLAGS}")
            set(${package}_LDFLAGS "${PC_${package}_STATIC_LDFLAGS}")
        endif()
    else()
        unset(${package}_LIBRARIES)
        unset(${package}_LDFLAGS)
    endif()
    find_package_handle_standard_args(${package}
        REQUIRED_VARS ${package}_LIBRARIES
        VERSION_VAR PC_${package}_VERSION
        REASON_FAILURE_MESSAGE "${${package}_reason}"
    )
    if(${package}_FOUND AND NOT TARGET ${package}::${package})
        add_library(${package}::${package} INTERFACE IMPORTED)
        set_target_properties(${package}::${package} PROPERTIES
            INTERFACE_INCLUDE_DIRECTORIES "${PC_${package}_INCLUDE_DIRS}"
            INTERFACE_COMPILE_OPTIONS "${PC_${package}_CFLAGS_OTHER}"
            INTERFACE_LINK_LIBRARIES "${${package}_LIBRARIES}"
        )
    endif()
endmacro()
