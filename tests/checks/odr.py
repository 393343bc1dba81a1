"""Translation units link into one program, nothing defined twice: two that include vlm/vlm.hpp header-only and, where the
compiled kernels are given, one more that sees declarations only (VLM_COMPILED=1); with --image, one more with the decoders
of images, which the others use too."""

import pathlib
import tempfile

import house

USE = """#include <vlm/vlm.hpp>
int {name}();
int {name}() {{ return vlm::write_json(vlm::parse_json("[1, 2]", "{name}")) == "[1,2]" ? 0 : 1; }}
"""
MAIN = """#include <vlm/vlm.hpp>
{declarations}
int main() {{ return {calls}; }}
"""


def main():
    arguments = house.compiler_arguments(__doc__, {"kernels": "the library vlm::kernels",
                                                   "image": "only where vlm::image was built"})
    compiler = arguments.compiler[0]
    options = {"header_only": []}
    if arguments.kernels:
        options["compiled"] = ["-DVLM_COMPILED=1"]
    if arguments.image:
        options["image"] = [house.IMAGE_DEFINITION]
    units = {name: USE.format(name=name) for name in options}
    options["main"] = []
    has_codecs = f"(bool(vlm::image_codec(vlm::ImageFormat::Png)) != {str(bool(arguments.image)).lower()})"
    units["main"] = MAIN.format(declarations=" ".join(f"int {name}();" for name in units),
                                calls=" + ".join([*(f"{name}()" for name in units), has_codecs]))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def compile_unit(unit):
            source = folder / f"{unit}.cpp"
            source.write_text(units[unit], encoding="utf-8")
            return house.run([compiler, *house.flags(arguments), *options[unit], "-c", source, "-o", folder / f"{unit}.o"])

        steps = house.parallel(compile_unit, units)
        objects = [folder / f"{unit}.o" for unit in units]
        libraries = [arguments.kernels] if arguments.kernels else []
        libraries += house.IMAGE_LIBRARIES if arguments.image else []
        if all(status == 0 for status, _ in steps):
            steps.append(house.run([compiler, "-pthread", *objects, *libraries, "-o", folder / "program"]))
        if all(status == 0 for status, _ in steps):
            steps.append(house.run([folder / "program"]))
        house.finish([f"status {status}:\n{output}" for status, output in steps if status],
                     f"{', '.join(units)} with {compiler}")


if __name__ == "__main__":
    main()
