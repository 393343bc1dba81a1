"""Translation units link into one program, nothing defined twice: two that include vlm/vlm.hpp header-only and, where the
compiled kernels are given, one more that sees declarations only (VLM_COMPILED=1). With --image and --video there are two with
those decoders, which the others use too."""

import pathlib
import tempfile

import house

USE = """#include <vlm/vlm.hpp>
int {name}();
int {name}() {{ return vlm::write_json(vlm::parse_json("[1, 2]", "{name}")) == "[1,2]" ? 0 : 1; }}
"""
# Whether the program has the decoders, as a unit without them sees it.
DECODERS = """#include <vlm/vlm.hpp>
int header_only();
int header_only() {{
  const bool image = vlm::image_codec(vlm::ImageFormat::Png) && vlm::png_writer();
  std::string id;
  try {{
    vlm::open_video({{}}, "nothing");
  }} catch (const vlm::Error& error) {{
    id = error.id();
  }}
  return image == {image} && id == "{video}" ? 0 : 2;
}}
"""
MAIN = """#include <vlm/vlm.hpp>
{declarations}
int main() {{ return {calls}; }}
"""


def main():
    arguments = house.compiler_arguments(__doc__, {"kernels": "the library vlm::kernels",
                                                   "image": "only where vlm::image was built",
                                                   "video": "only where vlm::video was built"})
    compiler = arguments.compiler[0]
    decoders = [house.IMAGE_DEFINITION] * arguments.image + [house.VIDEO_DEFINITION] * arguments.video
    options = {"header_only": []}
    if arguments.kernels:
        options["compiled"] = ["-DVLM_COMPILED=1"]
    if decoders:
        options["decoders"] = decoders
    units = {name: USE.format(name=name) for name in options}
    units["header_only"] = DECODERS.format(image=str(arguments.image).lower(),
                                           video="video-format" if arguments.video else "video-support")
    options["main"] = decoders
    units["main"] = MAIN.format(declarations=" ".join(f"int {name}();" for name in units),
                                calls=" + ".join(f"{name}()" for name in units))
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
        libraries += house.VIDEO_LIBRARIES if arguments.video else []
        if all(status == 0 for status, _ in steps):
            steps.append(house.run([compiler, "-pthread", *objects, *libraries, "-o", folder / "program"]))
        if all(status == 0 for status, _ in steps):
            steps.append(house.run([folder / "program"]))
        house.finish([f"status {status}:\n{output}" for status, output in steps if status],
                     f"{', '.join(units)} with {compiler}")


if __name__ == "__main__":
    main()
